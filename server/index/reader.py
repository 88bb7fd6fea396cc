"""A consumer of all of `products.tagged`, in no group: it commits nothing, and no other reader notices it."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from kafka import TopicPartition
from kafka.errors import KafkaError

from hangtag.kafka.internals import last_read_s
from hangtag.kafka.tagged_topic import topic_id
from hangtag.kafka.topics import missing_topic
from hangtag.kafka.whole_batches import BatchConsumer
from hangtag.server.tagged_consumer import (
    CLOSE_TIMEOUT_MS,
    OPEN_TIMEOUT_MS,
    POLL_MS,
    POSITION_TIMEOUT_MS,
    TopicAwayError,
    open_consumer,
    partitions_of,
    reason_of,
)
from hangtag.settings import Settings

_MAX_BATCHES = 64
_PARTITION_BYTES = 4 * 1024 * 1024


class Position(NamedTuple):
    """How far one partition is read: the next offset, its end, and when the last record that was read was produced."""

    offset: int
    end: int
    read_ms: int


class TaggedReader:
    """Reads the topic from given offsets on, or from its beginning. One thread uses it.

    `topic_id` is another one once the topic was made again; `begins_anew` says that reading begins at the first record,
    since there were no offsets, or not those of this topic.

    Raises:
        TopicAwayError: no broker answers, the settings cannot work, or there is no such topic.
    """

    def __init__(self, settings: Settings, topic: str, offsets: Mapping[int, int]) -> None:
        self._settings = settings
        self._name = settings.kafka.tagged_topic
        self._read_ms: dict[int, int] = {}
        self._partitions: list[TopicPartition] = []
        self._consumer = open_consumer(
            BatchConsumer, settings.kafka, "hangtag-index", max_partition_fetch_bytes=_PARTITION_BYTES
        )
        try:
            self._begin(topic, offsets)
        except BaseException:
            self.close()
            raise

    def poll(self) -> list[Any]:
        """What was fetched of each partition, in its order; waits for half a second at most.

        Raises:
            TopicAwayError: the brokers refused, or the position is lost.
        """
        try:
            fetched = self._consumer.poll(timeout_ms=POLL_MS, max_records=_MAX_BATCHES)
        except KafkaError as error:
            raise TopicAwayError(reason_of(error)) from error
        found = [each for many in fetched.values() for each in many]
        for each in found:
            self._read_ms[each.partition] = max(self._read_ms.get(each.partition, 0), each.timestamp)
        return found

    def take_new_partitions(self) -> None:
        """Read partitions that were added since, from their beginning.

        Raises:
            TopicAwayError: the brokers refused.
        """
        try:
            found = self._found()
            added = [at for at in found if at not in self._partitions]
            if added:
                self._partitions = found
                self._consumer.assign(found)
                for at in added:
                    self._consumer.seek(at, 0)
        except KafkaError as error:
            raise TopicAwayError(reason_of(error)) from error

    def positions(self) -> dict[int, Position]:
        """How far each partition is read, as far as the brokers have told."""
        found = {}
        for at in self._partitions:
            with suppress(KafkaError):
                offset = self._consumer.position(at, timeout_ms=POSITION_TIMEOUT_MS)
                end = max(self._consumer.highwater(at) or 0, self._ends.get(at, 0))
                if offset is not None:
                    found[at.partition] = Position(offset, max(end, offset), self._read_ms.get(at.partition, 0))
        return found

    def has_caught_up(self, positions: Mapping[int, Position]) -> bool:
        """Whether everything is read that the topic had when the reader was opened."""
        return all(
            at.partition in positions and positions[at.partition].offset >= end for at, end in self._ends.items()
        )

    def answered_at(self) -> float | None:
        """When a broker last answered, in seconds since 1970; None: no connection is open."""
        read_s = last_read_s(self._consumer)
        return None if read_s is None else time.time() - max(0.0, time.monotonic() - read_s)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)

    def _begin(self, topic: str, offsets: Mapping[int, int]) -> None:
        try:
            self._partitions = self._found()
            if not self._partitions:
                settings = self._settings
                raise TopicAwayError(missing_topic(settings.kafka, self._name, settings.redis.deleted_ttl_s))
            self.topic_id = topic_id(self._settings.kafka)
            if topic != self.topic_id:
                offsets = {}
            self._consumer.assign(self._partitions)
            begins = self._consumer.beginning_offsets(self._partitions)
            self._ends = self._consumer.end_offsets(self._partitions, timeout_ms=OPEN_TIMEOUT_MS)
            self.begins_anew = not _fit(self._partitions, offsets, begins, self._ends)
            for at in self._partitions:
                self._consumer.seek(at, begins[at] if self.begins_anew else offsets.get(at.partition, begins[at]))
        except KafkaError as error:
            raise TopicAwayError(reason_of(error)) from error

    def _found(self) -> list[TopicPartition]:
        return partitions_of(self._consumer, self._name)


def _fit(
    partitions: Sequence[TopicPartition],
    offsets: Mapping[int, int],
    begins: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> bool:
    """Whether reading can go on at these offsets: every one is of a partition, and what follows it is still there."""
    known = {at.partition: at for at in partitions}
    return bool(offsets) and all(
        number in known and begins[known[number]] <= offset <= ends[known[number]] for number, offset in offsets.items()
    )
