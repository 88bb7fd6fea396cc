"""The index process: the shipped follower, reader, snapshots and index, killed and started again at any point."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from kafka import TopicPartition
from kafka.errors import NodeNotReadyError

from hangtag.index import snapshot
from hangtag.models import Pointer
from hangtag.records import Partition
from hangtag.server.index import follower, moment, reader, snapshots
from hangtag.server.index.program import _LIMITS_S
from hangtag.settings import IndexSettings, KafkaSettings, Settings
from hangtag.telemetry import Heartbeats
from tests.simulation.brokers import TAGGED
from tests.simulation.hub import START_MS, Actor, Hub, SimClock, SimEvent
from tests.simulation.index_rules import IndexRules
from tests.simulation.source import _as_kafka

if TYPE_CHECKING:
    from tests.simulation.world import World

_STARTS_S = (0.0, 0.5, 2.0)
_LIVES_S = (0.3, 0.7, 1.5, 3.0, 1_000.0)
_WISHES_S = (0.1, 0.3, 1.0)
# After a poll that waits, the process looks at what it is asked for.
_A_TURN_S = 1.0
_STOPS, _WITHOUT_FILE, _READS_AGAIN, _MEANWHILE, _TORN = 0.3, 0.15, 0.1, 0.5, 0.5


class SimTime:
    """The module `time` for the shipped code of the index."""

    hub: Hub

    def monotonic(self) -> float:
        """See `time.monotonic`."""
        return 1_000.0 + self.hub.now

    def time(self) -> float:
        """See `time.time`."""
        return START_MS / 1_000 + self.hub.now

    def time_ns(self) -> int:
        """See `time.time_ns`."""
        return int(self.time() * 1e9)


class SimDice:
    """The module `random` for shipped code: a seed determines everything."""

    def uniform(self, low: float, high: float) -> float:
        """See `random.uniform`."""
        return SimTime.hub.current.dice.uniform(low, high)


class SimBatchConsumer:
    """What `TaggedReader` uses of kafka-python's consumer."""

    world: World

    def __init__(self, **_options: object) -> None:
        self._brokers = self.world.brokers
        self._offsets: dict[Partition, int] = {}
        self._check()
        self.answered_s = SimTime().monotonic()

    def partitions_for_topic(self, name: str) -> set[int]:
        """See `KafkaConsumer`; so the others."""
        return {partition.number for partition in self._brokers.partitions[name]}

    def assign(self, _: Sequence[TopicPartition]) -> None:
        """It reads those that were sought."""

    def seek(self, at: TopicPartition, offset: int) -> None:
        self._offsets[Partition(*at)] = offset

    def beginning_offsets(self, found: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        self._check()
        return dict.fromkeys(found, 0)

    def end_offsets(self, found: Sequence[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:  # noqa: ARG002
        self._check()
        return {at: self._brokers.ends[Partition(*at)] for at in found}

    def position(self, at: TopicPartition, timeout_ms: int) -> int:  # noqa: ARG002
        return self._offsets[Partition(*at)]

    def highwater(self, at: TopicPartition) -> int:
        return self._brokers.ends[Partition(*at)]

    def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        dice = self._brokers.hub.current.dice
        found = self._fetch(dice.choice((1, 3, 10, max_records)))
        if not found:
            self._brokers.hub.pause(timeout_ms / 1_000)
            self._check()
            found = self._fetch(dice.choice((1, 3, 10, max_records)))
        else:
            self._brokers.hub.pause(dice.choice((0.0005, 0.02)))
        self.answered_s = SimTime().monotonic()
        return found

    def close(self, autocommit: bool, timeout_ms: int) -> None:
        """It is in no group."""

    def _fetch(self, most: int) -> dict[TopicPartition, list[Any]]:
        found: dict[TopicPartition, list[Any]] = {}
        if self._brokers.is_away:
            return found
        for partition, position in self._offsets.items():
            records, self._offsets[partition] = self._brokers.after(partition, position, most)
            if records:
                found[TopicPartition(*partition)] = list(map(_as_kafka, records))
        return found

    def _check(self) -> None:
        if self._brokers.is_away:
            raise NodeNotReadyError


class SimIndex:
    """The machine of the index: its process, and the folder of its snapshot."""

    def __init__(self, world: World) -> None:
        self._world, self._hub = world, world.hub
        self._folder = tempfile.TemporaryDirectory()
        settings = IndexSettings(snapshot_dir=Path(self._folder.name))
        self._settings = Settings(kafka=KafkaSettings(), index=settings)
        self._rules = IndexRules(world)
        self._pointer: Pointer | None = None
        self._process: follower.IndexFollower | None = None
        self._number = 0

    def hear(self, pointer: Pointer) -> None:
        """The process hears of a pointer some time later."""
        after_s = self._hub.current.dice.choice((0.0, 0.05, 0.5))
        self._hub.spawn(f"index-pointer-{pointer.sequence}", lambda: self._take(pointer), after_s)

    def run(self) -> None:
        """Start the process, let it write snapshots, kill or stop it and start it again, while the simulation runs."""
        dice = self._hub.current.dice
        self._hub.pause(dice.choice(_STARTS_S))
        while True:
            self._number += 1
            stop = SimEvent(self._hub)
            beats = Heartbeats(SimClock(self._hub), _LIMITS_S)
            self._process = process = follower.IndexFollower(self._settings, beats, self._serves, stop)  # type: ignore[arg-type]
            # A process asks for what is blocked when it starts.
            self._pointer = self._world.releases.current
            process.block(() if self._pointer is None else self._pointer.blocked)
            actor = self._hub.spawn(f"index-{self._number}", process.run)
            self._live(process, dice.choice(_LIVES_S))
            if dice.random() < _STOPS:
                stop.set()
                self._wait_for(actor)
            self._hub.kill(actor)
            self._process = None
            if dice.random() < _WITHOUT_FILE:
                for file in Path(self._folder.name).iterdir():
                    file.unlink()

    def behind(self) -> str:
        """What the index has not taken in yet; empty if nothing is missing."""
        process, ends = self._process, self._world.brokers.ends
        if process is None or process.moment is None or not process.is_caught_up:
            return "the index is not complete"
        read = {number: each.offset for number, each in process.moment.positions.items()}
        if any(read.get(each.number, 0) < ends[each] for each in self._world.brokers.partitions[TAGGED]):
            return "the index is behind"
        return "" if self._pointer == self._world.releases.current else "the index does not know what is blocked"

    def check_end(self) -> None:
        """Once all is settled, the index says what the topic and the store say."""
        assert self._process is not None
        self._rules.check_end(self._process, () if self._pointer is None else self._pointer.blocked)

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()

    def _live(self, process: follower.IndexFollower, seconds: float) -> None:
        dice, until_s = self._hub.current.dice, self._hub.now + seconds
        while self._hub.now < until_s:
            self._hub.pause(min(dice.choice(_WISHES_S), max(0.001, until_s - self._hub.now)))
            process.want_snapshot()
            if dice.random() < _READS_AGAIN:
                process.want_reading_again()

    def _wait_for(self, actor: Actor) -> None:
        while not actor.greenlet.dead:
            self._hub.pause(0.05)

    def _serves(self) -> None:
        assert self._process is not None
        self._rules.check_start(self._process)

    def _take(self, pointer: Pointer) -> None:
        if self._process is not None and self._hub.current.dice.random() < _MEANWHILE:
            self._wait_until_it_reads_again(self._process)
        if self._pointer is not None and self._pointer.sequence > pointer.sequence:
            return
        self._pointer = pointer
        if self._process is not None:
            self._process.block(pointer.blocked)
            self._rules.check_blocked(self._process, pointer.blocked)

    def _wait_until_it_reads_again(self, process: follower.IndexFollower) -> None:
        process.want_reading_again()
        until_s = self._hub.now + _A_TURN_S
        while process.is_caught_up and self._hub.now < until_s:
            self._hub.pause(0.005)


@contextmanager
def simulated_index() -> Iterator[None]:
    """In place of the brokers, clocks and disks of the index, those of the simulation."""
    with ExitStack() as stack:
        for module in (follower, moment, reader, snapshots):
            stack.enter_context(patch.object(module, "time", SimTime()))
        stack.enter_context(patch.object(reader, "BatchConsumer", SimBatchConsumer))
        stack.enter_context(patch.object(follower, "give_back", lambda: None))
        stack.enter_context(patch.object(reader, "topic_id", lambda _: "topic"))
        stack.enter_context(patch.object(reader, "last_read_s", lambda consumer: consumer.answered_s))
        stack.enter_context(patch.object(snapshot.os, "fsync", lambda _: None))
        stack.enter_context(patch.object(snapshots, "write_snapshot", _write_snapshot))
        yield


def _write_snapshot(path: Path, index: Any, place: Any) -> int:
    """The shipped one. The process may be killed before and behind it, and in the middle of a file."""
    hub = SimTime.hub
    dice = hub.current.dice
    hub.pause(dice.choice((0.0005, 0.05)))
    if dice.random() < _TORN:
        path.with_suffix(".unfinished").write_bytes(b"HTINDEX\n torn")
        hub.pause(dice.choice((0.0005, 0.05)))
    size = snapshot.write_snapshot(path, index, place)
    hub.note("snapshot", *sorted(place.offsets.items()))
    hub.pause(dice.choice((0.0005, 0.05)))
    return size
