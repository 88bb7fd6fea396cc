"""The Kafka sink over a stand-in for kafka-python: refusing brokers and letters that are too large."""

# ruff: noqa: ARG002

import contextlib
import os

import pytest
from kafka import TopicPartition
from kafka.errors import (
    InvalidRecordError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumberError,
    RecordListTooLargeError,
)

from hangtag.records import Partition, Record
from hangtag.settings import KafkaSettings
from hangtag.store import Entry
from hangtag.write import Reason, SinkError, kafka_sink

AT = TopicPartition("products.events", 0)
PARTITION = Partition(*AT)
RECORD = Record(Partition("products.events", 2), 5, 1_000, b"k", b"v", ())
REASON = Reason("decode", "EventError", "why")


class Future:
    def __init__(self, error):
        self.error = error

    def failed(self):
        return self.error is not None

    def get(self, timeout):
        if self.error is not None:
            raise self.error


class Producer:
    opened = 0
    abandoned = 0
    errors: list = []  # noqa: RUF012
    sent: list = []  # noqa: RUF012
    codecs: list = []  # noqa: RUF012
    # Called with each message; returns the error, if there is one.
    refuse = staticmethod(lambda _key, _value: None)

    def __init__(self, **options):
        Producer.opened += 1
        Producer.codecs.append(options["compression_type"])

    def send(self, topic, key, value, headers):
        if (refusal := Producer.refuse(key, value)) is not None:
            return Future(refusal)
        error = Producer.errors.pop(0) if Producer.errors else None
        if error is None:
            Producer.sent.append((topic, key, value, dict(headers)))
        return Future(error)

    def abandon(self):
        Producer.abandoned += 1


@pytest.fixture
def sink(monkeypatch):
    Producer.opened, Producer.abandoned, Producer.errors, Producer.sent, Producer.codecs = 0, 0, [], [], []
    monkeypatch.setattr(Producer, "refuse", Producer.refuse)
    monkeypatch.setattr(kafka_sink, "Producer", Producer)
    return kafka_sink.KafkaSink(KafkaSettings())


@pytest.mark.parametrize("error", [KafkaTimeoutError(), OutOfOrderSequenceNumberError()])
def test_after_a_failed_flush_nothing_is_in_flight_and_only_the_rest_is_sent_again(sink, error):
    Producer.errors = [None, error]
    sink.tagged(Entry("p1", 1, b""))
    sink.tagged(Entry("p2", 1, b""))

    with pytest.raises(SinkError, match=r"products\.tagged"):
        sink.flush()
    assert Producer.abandoned == 1
    sink.flush()
    sink.flush()

    assert [(key, value) for _, key, value, _ in Producer.sent] == [(b"p1", None), (b"p2", None)]
    assert (Producer.opened, Producer.abandoned) == (2, 1)


def test_retracted_tags_are_not_sent_and_dead_letters_are(sink):
    Producer.errors = [KafkaTimeoutError()]
    sink.tagged(Entry("p1", 1, b""))
    sink.dead_letter(RECORD, REASON, "ab")
    with pytest.raises(SinkError):
        sink.flush()

    sink.retract_tags()
    sink.flush()

    assert [topic for topic, *_ in Producer.sent][-1] == "products.deadletter"
    assert b"p1" not in [key for _, key, *_ in Producer.sent]


@pytest.mark.parametrize("error", [MessageSizeTooLargeError, RecordListTooLargeError])
def test_a_dead_letter_that_its_topic_refuses_for_its_size_is_truncated_alone(sink, error):
    """The others that were in flight fail with it, and keep all of their value."""
    failed = []

    def refuse(key, value):
        if len(value or b"") > 1_000_000:
            failed.append(key)
        elif not failed or key in failed or len(failed) > 1:
            return None
        return error()

    Producer.refuse = staticmethod(refuse)
    sink.tagged(Entry("p1", 1, b""))
    for key, size in ((b"a", 900), (b"large", 5_000_000), (b"b", 900_000)):
        sink.dead_letter(RECORD._replace(key=key, value=b"x" * size), REASON, "ab")
    sink.flush()

    sent = {key: (len(value or b""), headers) for _, key, value, headers in Producer.sent}
    assert {key: size for key, (size, _) in sent.items()} == {b"p1": 0, b"a": 900, b"b": 900_000, b"large": 625_000}
    assert [key for key, (_, headers) in sent.items() if "hangtag.truncated" in headers] == [b"large"]
    headers = sent[b"large"][1]
    assert (headers["hangtag.truncated"], headers["hangtag.value_bytes"]) == (b"value", b"5000000")
    assert headers["hangtag.record_bytes"] == b"5000005"


def test_what_was_left_out_of_a_dead_letter_stays_so_after_another_error(sink):
    Producer.errors = [MessageSizeTooLargeError(), MessageSizeTooLargeError(), KafkaTimeoutError()]
    sink.dead_letter(RECORD._replace(value=os.urandom(8_000)), REASON, "ab")
    with pytest.raises(SinkError, match="KafkaTimeoutError"):
        sink.flush()

    sink.flush()

    assert [len(value) for _, _, value, _ in Producer.sent] == [4_000]


def test_a_size_that_was_refused_is_not_tried_again_for_other_letters(sink):
    tries = []

    def refuse(_key, value):
        tries.append(len(value))
        return MessageSizeTooLargeError() if len(value) > 100_000 else None

    Producer.refuse = staticmethod(refuse)
    for _ in range(20):
        sink.dead_letter(RECORD._replace(value=os.urandom(300_000)), REASON, "ab")
    sink.flush()

    assert [len(value) for _, _, value, _ in Producer.sent] == [75_000] * 20
    assert tries == [300_000] * 21 + [150_000] + [75_000] * 20


def test_large_letters_are_delivered_in_parts_so_that_each_call_gets_further(sink):
    """A machine that is too slow to compress all of them in time must not begin again with the first one for ever."""
    sizes = []

    def refuse(_key, value):
        sizes.append(len(value))
        return KafkaTimeoutError() if sum(sizes) > 12_000_000 else None

    Producer.refuse = staticmethod(refuse)
    for number in range(12):
        sink.dead_letter(RECORD._replace(key=b"%d" % number, value=b"x" * 3_000_000), REASON, "ab")
    for _ in range(4):
        sizes.clear()
        with contextlib.suppress(SinkError):
            sink.flush()

    assert [key for _, key, *_ in Producer.sent] == [b"%d" % number for number in range(12)]


def test_a_letter_larger_than_any_topic_should_take_is_truncated_before_it_is_sent(sink):
    sink.dead_letter(RECORD._replace(value=b"x" * 60_000_000), REASON, "ab")
    sink.flush()

    assert [len(value) for _, _, value, _ in Producer.sent] == [15_000_000]
    assert Producer.sent[0][3]["hangtag.value_bytes"] == b"60000000"


def test_a_record_that_came_with_only_some_of_the_headers_of_a_truncated_letter_is_delivered(sink):
    """Any sender may set them: an error here would end the worker at every start, for one record."""
    sink.dead_letter(RECORD._replace(headers=(("hangtag.truncated", b"value"),)), REASON, "ab")
    sink.dead_letter(RECORD._replace(headers=(("hangtag.truncated", None),)), REASON, "ab")

    sink.flush()

    assert len(Producer.sent) == 2


def test_a_topic_that_refuses_even_an_empty_dead_letter_names_the_setting_to_raise(sink):
    Producer.refuse = staticmethod(lambda _key, _value: MessageSizeTooLargeError())
    sink.dead_letter(RECORD, REASON, "ab")

    with pytest.raises(SinkError, match=r"products\.deadletter.*max\.message\.bytes"):
        sink.flush()


def test_a_dead_letter_topic_that_is_compacted_is_an_error_that_names_the_setting(sink):
    Producer.errors = [InvalidRecordError()]
    sink.dead_letter(RECORD._replace(key=None), REASON, "ab")

    with pytest.raises(SinkError, match=r"products\.deadletter.*cleanup\.policy"):
        sink.flush()


def test_dead_letters_are_compressed(sink):
    sink.dead_letter(RECORD, REASON, "ab")
    sink.tagged(Entry("p1", 1, b""))
    sink.flush()

    assert Producer.codecs == ["gzip", None]


def test_a_dead_letter_keeps_key_and_value(sink):
    sink.dead_letter(RECORD, REASON, "ab")
    sink.dead_letter(RECORD._replace(key=None, value=None), REASON, "ab")
    sink.dead_letter(RECORD._replace(value=None), REASON, "ab")
    sink.flush()

    assert [(key, value) for _, key, value, _ in Producer.sent] == [(b"k", b"v"), (None, b""), (b"k", None)]
    assert Producer.sent[0][3]["hangtag.offset"] == b"5"
