"""The sink with real brokers that go away."""

import threading

import pytest

from hangtag.settings import KafkaSettings
from tests.conftest import create_topics, start_broker
from workers import SinkError
from workers.kafka_sink import KafkaSink


def test_what_the_brokers_did_not_take_is_given_up_with_the_sink(tmp_path):
    before = threading.enumerate()
    with start_broker("tansu", tmp_path, None) as broker:
        settings = KafkaSettings(bootstrap=broker.url)
        create_topics(settings)
        sink = KafkaSink(settings, flush_timeout_s=1)
        sink.tagged("p1", b"1")
        sink.flush()
    sink.tagged("p2", b"2")

    with pytest.raises(SinkError, match=settings.tagged_topic):
        sink.flush()
    sink.close()

    assert [thread.name for thread in threading.enumerate() if thread not in before] == []
