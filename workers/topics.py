"""Waits until a consumer knows its topics."""

import time
from collections.abc import Sequence

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from hangtag.kafka.topics import missing_topic
from hangtag.settings import KafkaSettings
from hangtag.workers.source import SourceError

_TIMEOUT_S = 10
_CHECK_S = 0.3


def wait_for_topics(
    consumer: KafkaConsumer, settings: KafkaSettings, topics: Sequence[str], deleted_ttl_s: int = 604_800
) -> None:
    """Fetch the partitions before joining a group: a leader that joins without them never assigns any.

    Raises:
        SourceError: a topic does not exist, or the brokers do not tell within some seconds.
    """
    give_up = time.monotonic() + _TIMEOUT_S
    for topic in topics:
        while (found := _has(consumer, topic)) is not True:
            if time.monotonic() > give_up:
                if found is False:
                    raise SourceError(missing_topic(settings, topic, deleted_ttl_s))
                msg = f"cannot read from Kafka at {settings.bootstrap}: {type(found).__name__}: {found}"
                raise SourceError(msg) from found
            time.sleep(_CHECK_S)


def _has(consumer: KafkaConsumer, topic: str) -> bool | KafkaError:
    """Whether there is such a topic, or the error with which a broker failed meanwhile: another one may answer."""
    try:
        return bool(consumer.partitions_for_topic(topic))
    except KafkaError as error:
        return error
