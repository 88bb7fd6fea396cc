"""Reading a topic without a group: nothing is committed, nobody is disturbed."""

import time
from typing import Any, Self

from hangtag.cli.errors import CommandError
from hangtag.kafka.options import kafka_options
from hangtag.settings import KafkaSettings

_QUIET_MS = 700


class TopicReader:
    """All partitions of one topic; a context manager. One thread calls.

    It starts at the beginning, or with `last`, that many records before each partition's end (0: only what comes).

    Raises:
        CommandError: no broker answers, or there is no such topic.
    """

    def __init__(self, settings: KafkaSettings, topic: str, last: int | None = None) -> None:
        from kafka import KafkaConsumer, TopicPartition  # noqa: PLC0415
        from kafka.errors import KafkaError  # noqa: PLC0415

        try:
            self._consumer = KafkaConsumer(
                **kafka_options(settings, "hangtag-cli"),
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=5_000,
            )
            numbers = sorted(self._consumer.partitions_for_topic(topic) or ())
            partitions = [TopicPartition(topic, number) for number in numbers]
            if not partitions:
                msg = (
                    f"no topic {topic} at {settings.bootstrap}: `hangtag up` creates the topics where they are missing"
                )
                raise CommandError(msg)
            self._consumer.assign(partitions)
            self._ends: dict[Any, int] = self._consumer.end_offsets(partitions)
            begins: dict[Any, int] = self._consumer.beginning_offsets(partitions)
            for partition in partitions:
                start = begins[partition] if last is None else max(begins[partition], self._ends[partition] - last)
                self._consumer.seek(partition, start)
        except KafkaError as error:
            raise CommandError(no_kafka(settings, error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def new(self, wait_ms: int = 0) -> list[Any]:
        """Records that came since the last call, in the order of each partition."""
        polled = self._consumer.poll(timeout_ms=wait_ms, max_records=10_000)
        return [record for records in polled.values() for record in records]

    def until_end(self, deadline_s: float = 60) -> list[Any]:
        """Every record up to the end; the end of some brokers trails, so only a quiet moment past it is the end."""
        give_up = time.monotonic() + deadline_s
        found: list[Any] = []
        while time.monotonic() < give_up:
            records = self.new(_QUIET_MS)
            found.extend(records)
            if not records and all(self._consumer.position(each) >= end for each, end in self._ends.items()):
                break
        return found


def reason_of(error: Exception) -> str:
    """The kind of an error and its message, once each."""
    name, message = type(error).__name__, str(error)
    return message if name in message else f"{name}: {message}".rstrip(": ")


def no_kafka(settings: KafkaSettings, error: Exception) -> str:
    """What to say when the brokers do not answer."""
    return (
        f"no Kafka at {settings.bootstrap} ({reason_of(error)}): start one with `hangtag up` or `hangtag demo`, "
        "or name yours with HANGTAG_KAFKA__BOOTSTRAP=host:port"
    )
