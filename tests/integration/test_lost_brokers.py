"""Producers and consumers whose real brokers go away."""

import threading

import pytest

from hangtag.cli.errors import CommandError
from hangtag.cli.publisher import Publisher
from hangtag.settings import KafkaSettings
from hangtag.store import Entry
from hangtag.v1 import events_pb2
from hangtag.workers.kafka_source import KafkaSource
from hangtag.write import KafkaSink, SinkError
from tests.conftest import create_topics, start_broker


@pytest.fixture
def threads():
    """Fails a test that leaves a thread running."""
    before = threading.enumerate()
    yield
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []


@pytest.mark.usefixtures("threads")
def test_closing_the_sink_gives_up_what_the_brokers_did_not_take(tmp_path):
    with start_broker("tansu", tmp_path, None) as broker:
        settings = KafkaSettings(bootstrap=broker.url)
        create_topics(settings)
        sink = KafkaSink(settings, flush_timeout_s=1)
        sink.tagged(Entry.deletion("p1", 1))
        sink.flush()
    sink.tagged(Entry.deletion("p2", 1))

    with pytest.raises(SinkError, match=settings.tagged_topic):
        sink.flush()
    sink.close()


@pytest.mark.usefixtures("threads")
def test_a_publisher_ends_with_the_error_that_ended_it(tmp_path):
    event = events_pb2.ProductEvent(product=events_pb2.Product(product_id="p1", version=1, title="shoe"))
    with start_broker("tansu", tmp_path, None) as broker:
        settings = KafkaSettings(bootstrap=broker.url)
        create_topics(settings)
        publisher = Publisher(settings)
        publisher.send(event)
        publisher.finish()

    def publish() -> None:
        with publisher:
            publisher.send(event)
            msg = "why"
            raise CommandError(msg)

    with pytest.raises(CommandError, match="why"):
        publish()


def test_the_time_of_the_last_answer_stands_still_while_the_brokers_are_away(tmp_path):
    with start_broker("tansu", tmp_path, None) as broker:
        settings = KafkaSettings(bootstrap=broker.url)
        create_topics(settings)
        source = KafkaSource(settings)
        try:
            answers = set()
            while len(answers) < 4:
                source.poll(0.2, 10)
                answers.add(source.last_answer_s())
            broker.stop()
            while (last := source.last_answer_s()) not in answers:
                answers.add(last)
                source.poll(0.2, 10)
            for _ in range(10):
                source.poll(0.2, 10)
            assert source.last_answer_s() == max(answers)
        finally:
            source.close()
