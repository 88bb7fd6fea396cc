"""What workers and the readers of groups read records with."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from kafka import TopicPartition
from kafka.errors import NodeNotReadyError

from hangtag.records import Partition, Record
from hangtag.workers import Change, Poll, Unreadable
from hangtag.write import Reason
from tests.simulation.brokers import Brokers, positions_of, topic_partition
from tests.simulation.group import Group
from tests.simulation.hub import Hub, SimClock

_UNREADABLE = Reason("read", "UnreadableBatch", "the batch cannot be read", 3)
# A hung worker polls on for two minutes before liveness ends it.
_HANGING_POLL_S = 2.0
# A worker that polls for so short a time has a stage at work.
_BUSY_S = 0.05


class Reader:
    """A member of a group with its positions: what `SimSource` and `SimConsumer` share."""

    def __init__(self, brokers: Brokers, group: Group, name: str) -> None:
        self.brokers = brokers
        self.group = group
        self.member = group.join(name)
        self.offsets: dict[Partition, int] = {}
        self.is_paused = False

    @property
    def hub(self) -> Hub:
        """Where time comes from."""
        return self.brokers.hub

    def learn(self) -> list[tuple[Partition, bool]]:
        """Take the changes of the assignment; an assigned partition is read from its committed offset on."""
        if self.brokers.is_away:
            return []
        self.group.heard(self.member)
        changes = self.group.learn(self.member)
        for partition, is_assigned in changes:
            self.offsets.pop(partition, None)
            if is_assigned:
                self.offsets[partition] = self.group.committed.get(partition, (0, ""))[0]
        return changes

    def fetch(self, most: int) -> list[Record]:
        """Records from the positions on, which move behind them."""
        found: list[Record] = []
        if self.is_paused or self.brokers.is_away:
            return found
        for partition, position in self.offsets.items():
            # Out of range: kafka-python begins again (auto_offset_reset).
            start = position if position <= self.brokers.ends[partition] else 0
            records, self.offsets[partition] = self.brokers.after(partition, start, most - len(found))
            found += records
            if len(found) >= most:
                break
        return found


class SimSource(Reader):
    """A `RecordSource` of a worker's process."""

    def __init__(self, brokers: Brokers, group: Group, name: str, clock: SimClock) -> None:
        super().__init__(brokers, group, name)
        self._clock = clock
        self._answered_s = clock.monotonic()
        self.is_hanging = False
        self.polled = 0

    def poll(self, timeout_s: float, max_records: int) -> Poll:
        """See `RecordSource`. A busy machine polls less often than it is asked to."""
        dice = self.hub.current.dice
        changes = self.learn()
        records = self.fetch(self._size(dice, max_records))
        if not changes and not records:
            late = dice.choice((1, 3, 6) if timeout_s > _BUSY_S else (2, 6, 16))
            self.hub.pause(_HANGING_POLL_S if self.is_hanging else timeout_s * late)
            changes = self.learn()
            records = self.fetch(self._size(dice, max_records))
        if not self.brokers.is_away:
            self._answered_s = self._clock.monotonic()
        self.polled += len(records)
        if records:
            self.hub.note(self.member.name, "polled", len(records))
        return Poll(tuple(self._change(*change) for change in changes), tuple(map(_as_read, records)))

    def pause(self) -> None:
        """See `RecordSource`."""
        self.is_paused = True

    def resume(self) -> None:
        """See `RecordSource`."""
        self.is_paused = False

    def commit(self, offsets: Mapping[Partition, int], store_identity: str) -> bool:
        """See `RecordSource`."""
        actor = self.hub.current
        actor.stage = "settle"
        self.hub.pause(actor.dice.choice((0.0005, 0.005)))
        actor.stage = "poll"
        if self.brokers.is_away:
            return False
        metadata = {partition: (offset, store_identity) for partition, offset in offsets.items()}
        is_taken = self.group.commit(self.member, metadata)
        if is_taken:
            self.hub.note(self.member.name, "committed", sorted(offsets.items()))
        return is_taken

    def positions(self) -> dict[Partition, int]:
        """See `RecordSource`; without partitions of which a change is on its way."""
        uncertain = {partition for partition, _ in self.member.changes}
        return {partition: offset for partition, offset in self.offsets.items() if partition not in uncertain}

    def ends(self) -> dict[Partition, int]:
        """See `RecordSource`."""
        return {partition: self.brokers.ends[partition] for partition in self.offsets}

    def last_answer_s(self) -> float:
        """See `RecordSource`."""
        return self._answered_s

    def close(self) -> None:
        """See `RecordSource`."""
        self.group.leave(self.member)

    @staticmethod
    def _size(dice: random.Random, most: int) -> int:
        return min(most, dice.choice((1, 3, 8, 500)))

    def _change(self, partition: Partition, is_assigned: bool) -> Change:
        if not is_assigned:
            return Change(partition, is_assigned=False)
        offset, identity = self.group.committed.get(partition, (-1, ""))
        return Change(partition, is_assigned=True, store_identity=identity, committed=offset)


class SimConsumer(Reader):
    """What a `GroupReader` uses of kafka-python's consumer."""

    def __init__(self, brokers: Brokers, group: Group, name: str, clock: SimClock) -> None:
        super().__init__(brokers, group, name)
        self._clock = clock

    def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        """See `KafkaConsumer.poll`."""
        self.learn()
        records = self.fetch(max_records)
        if not records:
            self.hub.pause(timeout_ms / 1_000)
            self.learn()
            if self.brokers.is_away:
                raise NodeNotReadyError
            records = self.fetch(max_records)
        found: dict[TopicPartition, list[Any]] = {}
        for record in records:
            found.setdefault(topic_partition(record.partition), []).append(_as_kafka(record))
        return found

    def assignment(self) -> set[TopicPartition]:
        """See `KafkaConsumer.assignment`."""
        return set(map(topic_partition, self.offsets))

    def position(self, at: TopicPartition, timeout_ms: int) -> int:  # noqa: ARG002
        """See `KafkaConsumer.position`."""
        return self.offsets[Partition(*at)]

    def highwater(self, at: TopicPartition) -> int:
        """See `KafkaConsumer.highwater`."""
        return self.brokers.ends[Partition(*at)]

    def pause(self, *_: TopicPartition) -> None:
        """See `KafkaConsumer.pause`; a reader pauses all or none."""
        self.is_paused = True

    def resume(self, *_: TopicPartition) -> None:
        """See `KafkaConsumer.resume`."""
        self.is_paused = False

    def paused(self) -> Sequence[TopicPartition]:
        """See `KafkaConsumer.paused`."""
        return list(self.assignment()) if self.is_paused else []

    def commit(self, offsets: Mapping[TopicPartition, Any], timeout_ms: int) -> None:  # noqa: ARG002
        """See `KafkaConsumer.commit`."""
        found = {partition: (offset, "") for partition, offset in positions_of(offsets).items()}
        if self.brokers.is_away or not self.group.commit(self.member, found):
            raise NodeNotReadyError

    def close(self, autocommit: bool, timeout_ms: int) -> None:  # noqa: ARG002
        """See `KafkaConsumer.close`. A process that is killed does not get to it."""
        if not self.hub.current.is_killed:
            self.group.leave(self.member)


def _as_read(record: Record) -> Record | Unreadable:
    return Unreadable(record, _UNREADABLE) if record.value == b"unreadable" else record


def _as_kafka(record: Record) -> Any:
    return SimpleNamespace(
        topic=record.partition.topic,
        partition=record.partition.number,
        offset=record.offset,
        timestamp=record.timestamp_ms,
        key=record.key,
        value=record.value,
        headers=record.headers,
    )
