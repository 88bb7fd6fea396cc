"""What producers of all kinds leave in a topic is read on real brokers, and nothing stops a partition."""

import subprocess
import time

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from hangtag.cli.local.apache import _java
from hangtag.records import Partition
from hangtag.workers import Tracker, Unreadable
from hangtag.workers.kafka_source import KafkaSource
from tests.unit.test_readable import Name

COUNT = 400


def read(source: KafkaSource, count: int) -> list:
    """So many records, read as the worker does, with what settles them committed."""
    tracker, found = Tracker(), []
    give_up = time.monotonic() + 40
    while len(found) < count:
        assert time.monotonic() < give_up, f"{len(found)} of {count} records were read"
        polled = source.poll(0.2, 500)
        for change in polled.changes:
            tracker.assign(change.partition, change.committed)
        for each in polled.records:
            record = each.record if isinstance(each, Unreadable) else each
            tracker.settle(tracker.add(record.partition, record.offset))
        found += polled.records
    return found


@pytest.fixture
def source(topics):
    opened = KafkaSource(topics)
    yield opened
    opened.close()


@pytest.mark.kafka
@pytest.mark.timeout(120)
@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_batches_of_a_java_producer_are_read_with_every_codec(topics, source, kafka_home, tmp_path):
    """Large ones too: Java fills a batch by its compressed size, so these have several MB."""
    payloads = [f'{{"product":{{"product_id":"p{number}","title":"{"red dress " * 1_500}"}}}}' for number in range(9)]
    file = tmp_path / "payloads"
    file.write_text("\n".join(payloads), encoding="utf-8")
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        java = [_java(), "-Xmx256m", "-cp", f"{kafka_home}/libs/*", "org.apache.kafka.tools.ProducerPerformance"]
        numbers = ["--num-records", str(COUNT), "--throughput", "-1", "--payload-file", str(file)]
        options = [f"bootstrap.servers={topics.bootstrap}", f"compression.type={codec}"]
        options += ["batch.size=900000", "linger.ms=300"]
        command = [*java, "--topic", topics.events_topic, *numbers, "--producer-props", *options]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

        found = read(source, COUNT)

        assert {record.value.decode() for record in found} <= set(payloads), codec


def test_a_header_whose_name_is_not_utf8_is_read(topics, source):
    with KafkaProducer(bootstrap_servers=topics.bootstrap) as producer:
        for value, headers in ((b"a", []), (b"b", [(Name("trace"), b"1")]), (b"c", [])):
            producer.send(topics.events_topic, value, partition=0, headers=headers)
        producer.flush(20)

    found = read(source, 3)

    assert [record.value for record in found] == [b"a", b"b", b"c"]
    assert found[1].headers == (("\ufffdtrace", b"1"),)


def test_a_batch_whose_codec_is_not_installed_is_handed_over_as_its_bytes(topics, source, monkeypatch):
    plain = KafkaProducer(bootstrap_servers=topics.bootstrap)
    zstd = KafkaProducer(bootstrap_servers=topics.bootstrap, compression_type="zstd", linger_ms=200)
    with plain, zstd:
        plain.send(topics.events_topic, b"before", partition=0).get(20)
        for _ in range(3):
            zstd.send(topics.events_topic, b"x" * 100, partition=0)
        zstd.flush(20)
        plain.send(topics.events_topic, b"behind", partition=0).get(20)
    monkeypatch.setattr("kafka.codec.has_zstd", lambda: False)

    before, unreadable, behind = read(source, 3)

    assert (before.value, behind.value, behind.offset) == (b"before", b"behind", 4)
    assert isinstance(unreadable, Unreadable)
    assert unreadable.reason.stage == "read"
    assert f"offsets 1 to 3 of {topics.events_topic}-0" in unreadable.reason.message
    assert "zstd" in unreadable.reason.message
    assert len(unreadable.record.value) > 61, "the batch as the broker keeps it"


@pytest.mark.kafka
@pytest.mark.timeout(120)
@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_markers_of_transactions_and_aborted_records_are_committed(topics):
    """A group whose every record is settled has no lag, also after a restart between the marker and the commit."""
    at = TopicPartition(topics.events_topic, 0)
    with KafkaProducer(bootstrap_servers=topics.bootstrap, transactional_id=topics.group) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(at.topic, b"committed", partition=0)
        producer.commit_transaction()
        producer.begin_transaction()
        for _ in range(5):
            producer.send(at.topic, b"aborted", partition=0)
        producer.flush(20)
        producer.abort_transaction()
    with KafkaConsumer(bootstrap_servers=topics.bootstrap) as consumer:
        end = consumer.end_offsets([at])[at]
    assert end == 1 + 1 + 5 + 1

    for last in (2, end):
        source, tracker = KafkaSource(topics), Tracker()
        give_up = time.monotonic() + 40
        try:
            while tracker.committable(source.positions()).get(Partition(*at)) != end:
                assert time.monotonic() < give_up, "the position does not reach the end"
                polled = source.poll(0.2, 500)
                for change in polled.changes:
                    tracker.assign(change.partition, change.committed)
                for record in polled.records:
                    assert record.value == b"committed"
                    tracker.settle(tracker.add(record.partition, record.offset))
            while not source.commit({Partition(*at): last}, ""):
                source.poll(0.1, 1)
        finally:
            source.close()
    source = KafkaSource(topics)
    try:
        changes = []
        while not any(change.partition == Partition(*at) for change in changes):
            changes += source.poll(0.2, 500).changes
        assert [change.committed for change in changes if change.partition == Partition(*at)] == [end]
    finally:
        source.close()
