"""The brokers in memory: topics, what is on its way to them, and what they refuse until when."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple
from zlib import crc32

from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, NotEnoughReplicasError

from hangtag.records import Headers, Partition, Record, size_of
from tests.simulation.hub import Hub, SimClock

EVENTS, TAGGED, LETTERS = "products.events", "products.tagged", "products.deadletter"
_TAGGED_PARTITIONS = 2


class Sent(NamedTuple):
    """A record on its way to a topic."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


class Brokers:
    """`on_append` is called with each record that arrives.

    `ends` may be beyond the last record: a topic may end with markers of transactions, which are never delivered.
    """

    def __init__(self, hub: Hub, event_partitions: int, on_append: Callable[[Record], None]) -> None:
        self.hub = hub
        self._clock = SimClock(hub)
        self._on_append = on_append
        self.partitions = {
            EVENTS: [Partition(EVENTS, number) for number in range(event_partitions)],
            TAGGED: [Partition(TAGGED, number) for number in range(_TAGGED_PARTITIONS)],
            LETTERS: [Partition(LETTERS, 0)],
        }
        self.logs: dict[Partition, list[Record]] = {
            partition: [] for found in self.partitions.values() for partition in found
        }
        self.ends: dict[Partition, int] = dict.fromkeys(self.logs, 0)
        self.late: list[Sent] = []
        self.away_until = 0.0
        self.refuses_until = self.loses_answers_until = self.is_late_until = 0.0
        self.refuses_letters_until = self.slow_until = 0.0
        self.most_letter_bytes = 1_000_000

    def append(self, sent: Sent, partition: Partition | None = None) -> Record:
        """A record arrives."""
        found = self.partitions[sent.topic]
        where = partition or found[crc32(sent.key or b"") % len(found)]
        record = Record(where, self.ends[where], self._clock.wall_ms(), sent.key, sent.value, tuple(sent.headers))
        self.logs[where].append(record)
        self.ends[where] += 1
        self._on_append(record)
        return record

    def skip(self, partition: Partition) -> None:
        """An offset that is never delivered."""
        self.ends[partition] += 1

    def truncate(self, partition: Partition, end: int) -> list[Record]:
        """A replica that was behind becomes the leader: the records from an offset on are lost. Returns them."""
        lost = [record for record in self.logs[partition] if record.offset >= end]
        self.logs[partition] = [record for record in self.logs[partition] if record.offset < end]
        self.ends[partition] = min(end, self.ends[partition])
        return lost

    def deliver_late(self) -> None:
        """What was thought lost arrives."""
        while self.late:
            self.append(self.late.pop(self.hub.current.dice.randrange(len(self.late))))

    def after(self, partition: Partition, position: int, most: int) -> tuple[list[Record], int]:
        """At most so many records from a position on, and the next position."""
        log = self.logs[partition]
        first = len(log)
        while first and log[first - 1].offset >= position:
            first -= 1
        found = log[first : first + most]
        is_end = first + len(found) == len(log)
        return found, self.ends[partition] if is_end else found[-1].offset + 1

    @property
    def is_away(self) -> bool:
        """True while no broker answers."""
        return self.hub.now < self.away_until


class SimFuture:
    """What `KafkaProducer.send` returns."""

    def __init__(self, producer: SimProducer) -> None:
        self._producer = producer
        self.error: Exception | None = None
        self.is_done = False

    def get(self, timeout: float) -> None:  # noqa: ARG002 (simulated brokers answer in simulated time)
        """Wait for the acknowledgement. Raises KafkaError."""
        self._producer.deliver(self)
        if self.error is not None:
            raise self.error


class SimProducer:
    """Stands in for kafka-python's producer: idempotent, so records of one producer arrive in order."""

    brokers: Brokers

    def __init__(self, **_options: object) -> None:
        self._pending: list[tuple[SimFuture, Sent]] = []

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> SimFuture:
        """Queue a record."""
        future = SimFuture(self)
        self._pending.append((future, Sent(topic, key, value, tuple(headers))))
        return future

    def deliver(self, until: SimFuture) -> None:
        """Deliver what is queued up to a record; whatever is behind a record that fails fails too."""
        brokers, hub = self.brokers, self.brokers.hub
        if not until.is_done:
            is_slow = hub.now < brokers.slow_until
            hub.pause(hub.current.dice.choice((0.01, 0.4, 1.5) if is_slow else (0.0005, 0.0005, 0.002, 0.01, 0.1)))
        while self._pending and not until.is_done:
            future, sent = self._pending.pop(0)
            future.is_done = True
            future.error = self._fate(sent)
            if future.error is not None:
                for other, _ in self._pending:
                    other.is_done, other.error = True, KafkaTimeoutError()
                self._pending.clear()
            elif self._pending and hub.current.dice.random() < 0.1:
                hub.pause(0.0005)

    def abandon(self) -> None:
        """Give up what is not delivered."""
        self._pending.clear()

    def _fate(self, sent: Sent) -> Exception | None:
        """Deliver a record or not; the error that its sender gets."""
        brokers, now, dice = self.brokers, self.brokers.hub.now, self.brokers.hub.current.dice
        if sent.topic == LETTERS:
            if now < brokers.refuses_letters_until:
                return NotEnoughReplicasError()
            if _compressed(sent) > brokers.most_letter_bytes:
                return MessageSizeTooLargeError()
        if brokers.is_away or (now < brokers.refuses_until and dice.random() < 0.7):
            return NotEnoughReplicasError()
        if now < brokers.is_late_until and dice.random() < 0.5:
            brokers.late.append(sent)
            return KafkaTimeoutError()
        brokers.append(sent)
        if now < brokers.loses_answers_until and dice.random() < 0.5:
            return KafkaTimeoutError()
        return None


def _compressed(sent: Sent) -> int:
    """Bytes of a record whose value is compressed."""
    return size_of(sent.key, zlib.compress(sent.value or b""), sent.headers)


def topic_partition(partition: Partition) -> TopicPartition:
    """The same in kafka-python's words."""
    return TopicPartition(*partition)


def positions_of(offsets: Mapping[TopicPartition, object]) -> dict[Partition, int]:
    """Offsets in kafka-python's words as ours."""
    return {Partition(*at): found.offset for at, found in offsets.items()}  # type: ignore[attr-defined]
