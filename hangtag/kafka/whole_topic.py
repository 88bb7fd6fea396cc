"""Reads a small topic from its beginning to its end, in no group: nothing is committed, and no other reader notices."""

import time
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError

from hangtag.kafka.consumer import Consumer
from hangtag.kafka.options import kafka_options
from hangtag.kafka.raw_batch import RawBatch
from hangtag.kafka.topics import missing_topic
from hangtag.kafka.trouble import KafkaSettingsError, check_settings, watching
from hangtag.settings import KafkaSettings

_OPEN_TIMEOUT_MS = 5_000
_CLOSE_TIMEOUT_MS = 1_000
_POLL_MS = 200
_PATIENCE_S = 10.0


class TopicReadError(Exception):
    """The topic cannot be read; the message has the cause and what to check. Trying again later may help."""


def read_topic(settings: KafkaSettings, topic: str, behind: int = 0) -> list[Any]:
    """Every record of a topic, each partition in its order; a value that cannot be read is a `RawBatch`.

    Everything is read that was acknowledged before the call, and at least what is below the offset `behind`.

    Raises:
        TopicReadError: no broker answers, the settings cannot work, there is no such topic, or the brokers send
            nothing for ten seconds.
    """
    with watching(settings) as trouble:
        try:
            check_settings(settings)
            consumer = Consumer(
                **kafka_options(settings, "hangtag"),
                metrics_enabled=False,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=_OPEN_TIMEOUT_MS,
            )
        except KafkaSettingsError as error:
            raise TopicReadError(str(error)) from error
        except KafkaError as error:
            raise TopicReadError(trouble.explain(error)) from error
    try:
        return _read(consumer, settings, topic, behind)
    except KafkaError as error:
        msg = f"{topic}: {type(error).__name__}: {error}".rstrip(": ")
        raise TopicReadError(msg) from error
    finally:
        consumer.close(autocommit=False, timeout_ms=_CLOSE_TIMEOUT_MS)


def _read(consumer: Consumer, settings: KafkaSettings, topic: str, behind: int) -> list[Any]:
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    if not partitions:
        raise TopicReadError(missing_topic(settings, topic))
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions, timeout_ms=_OPEN_TIMEOUT_MS)
    found: list[Any] = []
    give_up = time.monotonic() + _PATIENCE_S
    while any(consumer.position(at) < max(end, behind) for at, end in ends.items()):
        polled = consumer.poll(timeout_ms=_POLL_MS)
        if polled:
            found += [record for records in polled.values() for record in records]
            give_up = time.monotonic() + _PATIENCE_S
        elif time.monotonic() > give_up:
            msg = f"{topic}: the brokers sent nothing for {_PATIENCE_S:.0f} s; check that they run"
            raise TopicReadError(msg)
    return found


def value_of(record: Any) -> bytes | None:
    """The value of a record; None if it has none or cannot be read."""
    return None if isinstance(record.value, RawBatch) else record.value
