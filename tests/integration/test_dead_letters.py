"""Dead letters on real brokers: compressed, truncated where the topic refuses them, headers without a value kept."""

import os

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from hangtag.kafka.producer import Producer
from hangtag.records import Partition, Record
from hangtag.settings import KafkaSettings
from hangtag.write import KafkaSink, Reason

REASON = Reason("decode", "EventError", "why")
ON_KAFKA = pytest.mark.parametrize("broker", ["kafka"], indirect=True)


def record(key: bytes | None, value: bytes | None, headers=()) -> Record:
    return Record(Partition("products.events", 1), 7, 1_000, key, value, tuple(headers))


def sent(topics: KafkaSettings, *records: Record) -> dict[bytes | None, object]:
    sink = KafkaSink(topics, flush_timeout_s=20)
    for each in records:
        sink.dead_letter(each, REASON, "ab")
    sink.flush()
    sink.close()
    return {each.key: each for each in read(topics, topics.dead_letter_topic, len(records))}


def read(topics: KafkaSettings, topic: str, count: int) -> list:
    """The records of a topic: `count` of them, and what comes within a moment after them."""
    with KafkaConsumer(bootstrap_servers=topics.bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)])
        found: list = []
        while (more := consumer.poll(timeout_ms=1_000)) or len(found) < count:
            found += [each for many in more.values() for each in many]
        return found


def test_headers_without_a_value_stay_so(topics: KafkaSettings) -> None:
    headers = (("none", None), ("empty", b""), ("none", None), ("some", b"\xff"))

    found = sent(topics, record(b"p", b"v", headers))

    assert tuple(found[b"p"].headers[:4]) == headers


@pytest.mark.kafka
@ON_KAFKA
def test_a_batch_that_is_split_keeps_headers_without_a_value(topics: KafkaSettings) -> None:
    """kafka-python splits a batch that the topic refuses, in a place of its own."""
    limit(topics, 20_000)
    values = {f"p{number}".encode(): os.urandom(6_000) for number in range(12)}

    found = sent(topics, *(record(key, value, [("none", None)]) for key, value in values.items()))

    assert {key: each.value for key, each in found.items()} == values
    assert all(each.headers[0] == ("none", None) for each in found.values())
    assert all("hangtag.truncated" not in dict(each.headers) for each in found.values())


@pytest.mark.kafka
@ON_KAFKA
def test_a_letter_that_its_topic_refuses_is_truncated_and_its_neighbours_are_not(topics: KafkaSettings) -> None:
    limit(topics, 100_000)
    large = os.urandom(1_000_000)
    others = [record(f"p{number}".encode(), b"v" * 300_000) for number in range(20)]

    found = sent(topics, *others[:10], record(b"large", large), *others[10:])

    assert {key: len(each.value) for key, each in found.items()} == {
        **{each.key: 300_000 for each in others},
        b"large": 62_500,
    }
    said = dict(found[b"large"].headers)
    assert large.startswith(found[b"large"].value)
    assert said["hangtag.truncated"] == b"value"
    assert (said["hangtag.value_bytes"], said["hangtag.record_bytes"]) == (b"1000000", b"1000005")
    assert [key for key, each in found.items() if "hangtag.truncated" in dict(each.headers)] == [b"large"]


@pytest.mark.kafka
@ON_KAFKA
def test_a_record_of_large_headers_and_a_large_key_is_truncated_to_what_its_topic_takes(topics: KafkaSettings) -> None:
    limit(topics, 20_000)
    key = os.urandom(40_000)

    found = sent(topics, record(key, os.urandom(30_000), [("large", os.urandom(50_000))]))

    letter = found[key[:256]]
    assert dict(letter.headers)["hangtag.truncated"] == b"value,headers,key"
    assert dict(letter.headers)["hangtag.record_bytes"] == b"120005"
    assert letter.value == b""


def limit(topics: KafkaSettings, most_bytes: int) -> None:
    """Set the largest batch that the topic of dead letters takes."""
    config = {"max.message.bytes": str(most_bytes)}
    with KafkaAdminClient(bootstrap_servers=topics.bootstrap) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topics.dead_letter_topic, config)])


def test_the_producer_sends_to_one_partition_as_kafka_pythons_does(topics: KafkaSettings) -> None:
    producer = Producer(bootstrap_servers=topics.bootstrap)
    producer.send(topics.events_topic, b"v", key=b"k", headers=[("none", None)], partition=3, timestamp_ms=5).get(20)
    producer.abandon()

    (found,) = read(topics, topics.events_topic, 1)
    assert (found.partition, found.timestamp, found.key, found.value, found.headers) == (
        3,
        5,
        b"k",
        b"v",
        [("none", None)],
    )
