"""The end of `products.tagged` as a server reads it, on real brokers."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from kafka import KafkaAdminClient

from hangtag.server import tagged_consumer, topic_end
from hangtag.server.change import Change
from hangtag.server.tagged_consumer import TopicAwayError
from hangtag.server.topic_end import TopicEnd
from hangtag.settings import KafkaSettings, Settings
from hangtag.store import Entry
from hangtag.v1 import tags_pb2
from hangtag.write import KafkaSink
from tests.integration.server.parts import until

ON_KAFKA = pytest.mark.parametrize("broker", [pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)


@pytest.fixture
def sink(topics: KafkaSettings) -> Iterator[KafkaSink]:
    with closing(KafkaSink(topics)) as sink:
        yield sink


def produce(sink: KafkaSink, *versions: int, product: str = "p") -> None:
    for version in versions:
        payload = tags_pb2.ProductTags(product_id=product, version=version).SerializeToString()
        sink.tagged(Entry(product, version, payload))
    sink.flush()


def read(end: TopicEnd, enough: Callable[[list[int]], bool]) -> list[int]:
    """The versions that are read, up to enough of them."""
    found: list[int] = []

    def is_enough() -> bool:
        end.take_new_partitions()
        found.extend(Change.of(record).version for record in end.poll())
        return enough(found)

    until(is_enough, 20)
    return found


def test_it_reads_what_is_produced_from_now_on(topics: KafkaSettings, sink: KafkaSink) -> None:
    for version in (1, 2):
        produce(sink, version)
    with closing(TopicEnd(Settings(kafka=topics))) as end:
        produce(sink, 3, 4)

        # Tansu leaves out the last batch of a partition where it says how long that is.
        assert read(end, lambda found: found[-2:] == [3, 4]) in ([3, 4], [2, 3, 4])
        assert end.lag() == 0
        assert end.answered_s() is not None


def test_it_counts_what_it_has_not_read(
    topics: KafkaSettings, sink: KafkaSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_end, "_MAX_RECORDS", 1)
    with closing(TopicEnd(Settings(kafka=topics))) as end:
        produce(sink, *range(1, 11))
        until(end.poll)
        assert end.lag() == 9

        read(end, lambda found: len(found) == 9)
        assert end.lag() == 0


@ON_KAFKA
def test_new_partitions_are_read_from_their_beginning(
    topics: KafkaSettings, sink: KafkaSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagged_consumer, "_METADATA_MAX_AGE_MS", 300)
    with closing(TopicEnd(Settings(kafka=topics))) as end:
        with KafkaAdminClient(bootstrap_servers=topics.bootstrap) as admin:
            admin.create_partitions({topics.tagged_topic: 24})
        with closing(KafkaSink(topics)) as later:
            for number in range(60):
                produce(later, number + 1, product=f"p{number}")

        assert sorted(read(end, lambda found: len(found) == 60)) == list(range(1, 61))


def test_a_topic_that_does_not_exist_is_named_with_the_command_that_creates_it(topics: KafkaSettings) -> None:
    missing = topics.model_copy(update={"tagged_topic": f"missing-{uuid.uuid4().hex}"})

    with pytest.raises(TopicAwayError, match="kafka-topics.sh .*--create --topic missing-"):
        TopicEnd(Settings(kafka=missing))
