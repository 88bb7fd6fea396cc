"""How the server opens a consumer of `products.tagged`: in no group, so that no other reader notices it."""

from collections.abc import Callable
from typing import Any, TypeVar

from kafka import TopicPartition
from kafka.errors import KafkaError

from hangtag.kafka.options import kafka_options
from hangtag.kafka.trouble import KafkaSettingsError, check_settings, watching
from hangtag.settings import KafkaSettings

POLL_MS = 500
OPEN_TIMEOUT_MS = 5_000
CLOSE_TIMEOUT_MS = 1_000
POSITION_TIMEOUT_MS = 100
# New partitions are noticed that late.
_METADATA_MAX_AGE_MS = 30_000

C = TypeVar("C")


class TopicAwayError(Exception):
    """The topic cannot be read; the message has the cause and what to check."""


def open_consumer(kind: Callable[..., C], settings: KafkaSettings, name: str, **more: Any) -> C:
    """A consumer of this kind that commits nothing; `name` is what brokers call it.

    Raises:
        TopicAwayError: no broker answers, or the settings cannot work.
    """
    with watching(settings) as trouble:
        try:
            check_settings(settings)
            return kind(
                **kafka_options(settings, name),
                metrics_enabled=False,
                enable_auto_commit=False,
                # A position that the broker no longer has is an error: something was missed.
                auto_offset_reset="none",
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=OPEN_TIMEOUT_MS,
                metadata_max_age_ms=_METADATA_MAX_AGE_MS,
                **more,
            )
        except KafkaSettingsError as error:
            raise TopicAwayError(str(error)) from error
        except KafkaError as error:
            raise TopicAwayError(trouble.explain(error)) from error


def partitions_of(consumer: Any, topic: str) -> list[TopicPartition]:
    """The partitions of a topic, in order; none if there is no such topic."""
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


def reason_of(error: KafkaError) -> str:
    """The class of an error and its message."""
    return f"{type(error).__name__}: {error}".rstrip(": ")
