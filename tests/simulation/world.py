"""One simulation: processes, store, brokers and server under a schedule."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn
from unittest.mock import patch

import orjson
import structlog

from hangtag.models import Pointer
from hangtag.records import Event as ProductEvent
from hangtag.records import decode_event
from hangtag.server import store_watch
from hangtag.settings import KafkaSettings, RedisSettings, WorkerSettings
from hangtag.store import RebuildStore, RedisTagStore, StoreError, links
from hangtag.workers import decode as decode_stage
from hangtag.write import KafkaSink, PartitionRebuild, SinkError, Update, Writes, kafka_sink
from tests.simulation.arrivals import run_arrivals
from tests.simulation.brokers import EVENTS, TAGGED, Brokers, Sent, SimProducer
from tests.simulation.faults import inject
from tests.simulation.group import Group
from tests.simulation.hub import Hub
from tests.simulation.indexing import SimBatchConsumer, SimDice, SimIndex, SimTime, simulated_index
from tests.simulation.lookups import Lookups
from tests.simulation.model import PANIC, POISON, bundles, expected, schema_with, title_of
from tests.simulation.network import Network, SimLink
from tests.simulation.process import Process
from tests.simulation.releases import Releases, Start
from tests.simulation.rules import Rules, WatchedGroup
from tests.simulation.schedule import FAULTS, GARBAGE, GOOD, NAMELESS, Event, Schedule
from tests.simulation.store import Server

# By then everything is over: faults, liveness' two minutes for a worker that hangs, and sessions.
_LIMIT_S = 400.0
_MOST_STEPS = 60_000
_LOOK_EVERY_S = 0.25
_RESTART_S = 0.3
_AGAIN_S = 0.2
_REBUILD_CHUNK = 7
# Else the rebuild begins at one of the next looks.
_REBUILT_AT_ONCE = 0.3
_STARTS_WITH_NEWEST = 0.7
_CURSED = b"cursed"
# Too large for a topic of dead letters that takes little, compressed or not.
_GARBAGE = b"{not json " + random.Random(0).randbytes(3_000).hex().encode()


@dataclass(frozen=True, slots=True)
class Result:
    """How a simulation ended. `failure` is empty if no rule was broken; `pairs` are stages and the faults they met."""

    failure: str
    trace: tuple[object, ...]
    pairs: frozenset[tuple[str, str]]
    simulated_s: float
    steps: int


class World:
    """Everything of one simulation. The shipped code runs in the actors of `Process`, `Lookups` and `_rebuild`."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.hub = Hub(schedule.seed)
        self.losses = 0
        self.has_foreign_key = False  # which the progress of a rebuild does not show: it has to begin at the start
        self.releases = Releases()
        self.rules = Rules(self.hub, self.releases)
        self.network = self.rules.network = Network(self.hub, Server(self.hub, self.rules.set), self.rules.asked)
        self.brokers = Brokers(self.hub, schedule.partitions, self.rules.appended)
        self.group = WatchedGroup(self.hub, self.brokers.partitions[EVENTS], self.rules.check_commit)
        self.tail_group = Group(self.hub, self.brokers.partitions[TAGGED])
        self.arrivals_group = WatchedGroup(self.hub, self.brokers.partitions[EVENTS], self.rules.check_arrivals)
        self._index = SimIndex(self) if schedule.has_index else None
        self.processes: list[Process] = []
        dice = self.hub.dice("settings")
        self._settings = WorkerSettings(
            token_budget=512, window=dice.choice((4, 12, 64)), max_wait_ms=dice.choice((0, 5, 50))
        )
        self._pairs: set[tuple[str, str]] = set()
        self._started = 0
        self._rebuilt = 0
        self._tagging_again = 0
        self._is_rebuilding = self._is_played = self._is_done = False

    def run(self) -> Result:
        """Run the schedule to its end."""
        SimLink.network = self.network
        SimProducer.brokers = self.brokers
        SimBatchConsumer.world, SimTime.hub = self, self.hub
        self.lookups = Lookups(self)
        if self.schedule.is_released:
            self.releases.promote(0, 0, 0)
        for number in range(self.schedule.workers):
            self._start(number)
        self.hub.spawn("arrivals", partial(run_arrivals, self))
        if self._index is not None:
            self.hub.spawn("index", self._index.run)
        self.hub.spawn("schedule", self._play)
        self.hub.spawn("watch", self._watch)
        try:
            self.hub.run(lambda: self._is_done, _MOST_STEPS)
        finally:
            failure = self.hub.failure
            self.hub.close()
            if self._index is not None:
                self._index.close()
        return Result(failure, tuple(self.hub.trace), frozenset(self._pairs), self.hub.now, self.hub.steps)

    def lose(self) -> None:
        """The store has lost something that only a rebuild brings back."""
        self.losses += 1
        self.rules.marks.lose()
        self.lookups.forget()

    def _play(self) -> None:
        for event in self.schedule.events:
            if event.at > self.hub.now:
                self.hub.pause(event.at - self.hub.now)
            if event.kind in FAULTS:
                if event.stage:
                    self.hub.armed.setdefault(event.stage, []).append(partial(self._fault, event))
                else:
                    self._fault(event)
            elif event.kind == "tag again":
                self.hub.spawn(f"again-{event.at}", partial(self._tag_again, event.product))
            elif event.kind == "promote":
                self._promote(event)
            elif event.kind.startswith("look up"):
                products = sorted({each.product for each in self.schedule.events if each.kind in GOOD})
                start = self.hub.current.dice.randrange(len(products) + 1)
                self.lookups.look_up(products[start:] or [event.product], together=event.kind == "look up many")
            else:
                self.produce(event)
        rest_s = max((event.at + event.seconds for event in self.schedule.events), default=0.0) - self.hub.now
        self.hub.pause(max(0.0, rest_s) + 0.01)
        self.hub.armed.clear()
        self.brokers.deliver_late()
        self._is_played = True

    def _fault(self, event: Event) -> None:
        self._pairs |= {(actor.stage, event.kind) for actor in self.hub.living if actor.stage}
        self.hub.note("fault", event.kind, event.who)
        inject(self, event)

    def produce(self, event: Event) -> None:
        """A shop produces a record."""
        partition = self.group.partitions[event.who % self.schedule.partitions]
        if event.kind == "gap":
            self.brokers.skip(partition)
            return
        trap = {"poison": POISON, "panic": PANIC}.get(event.kind, "")
        is_deletion = event.kind == "delete"
        product = {"product_id": event.product, "version": event.version}
        if event.kind != "no text":
            product["title"] = title_of(event.product, event.version, trap)
        if event.kind == "cursed":
            product["merchant_category"] = _CURSED.decode()
        value = orjson.dumps({"type": "DELETED" if is_deletion else "UPDATED", "product": product})
        value = {"not json": _GARBAGE, "unreadable": b"unreadable"}.get(event.kind, value)
        key = event.product.encode() if event.is_keyed and event.kind != "unreadable" else None
        record = self.brokers.append(
            Sent(EVENTS, b"another" if event.kind == "wrong key" else key, value, ()), partition
        )
        rank = None if event.kind in (*GARBAGE, "cursed") else (event.version, is_deletion)
        version = None if event.kind in NAMELESS else event.version
        self.rules.expect(record, event.product, version, rank, is_good=event.kind in GOOD)

    def _tag_again(self, product: str) -> None:
        """One of the last releases tags what is stored, by the write path that workers use, until it succeeds."""
        held, releases = self.rules.held(product), self.releases.all[-2:]
        if held is None or held.is_deletion or not releases:
            return
        pointer = self.hub.current.dice.choice(releases)
        store, sink = RedisTagStore(RedisSettings()), KafkaSink(KafkaSettings(), "hangtag-cli")
        version, schema = pointer.bundle_version, schema_with(pointer.blocked)
        tags = expected(version, product, held.version, pointer.blocked)
        writes = Writes([Update(product, held.version, tags, version, sequence=pointer.sequence, schema=schema)])
        self._tagging_again += 1
        while True:
            try:
                writes.run(store, sink)
            except (StoreError, SinkError):
                self.hub.pause(_AGAIN_S)
            else:
                break
        self._tagging_again -= 1

    def _promote(self, event: Event) -> None:
        """A person puts a bundle into use; each process hears of it in its own time."""
        pointer = self.releases.promote(event.who % 2, event.version, round(1_000 * event.at))
        self.hub.note("promoted", *pointer.blocked, pointer.sequence, event.who % 2)
        self.lookups.hear(pointer)
        if self._index is not None:
            self._index.hear(pointer)
        for process in self.processes:
            self._tell(process, pointer)

    def _tell(self, process: Process, pointer: Pointer) -> None:
        actor = process.spawn(f"pointer-{pointer.sequence}", partial(process.following.hear, pointer))
        self.hub.wake(actor, actor.dice.choice((0.0, 0.02, 0.2, 1.0)))

    def _start(self, place: int) -> None:
        self._started += 1
        known = self.releases.all
        dice = self.hub.dice(f"start {place}.{self._started}")
        if self.schedule.seed % 5 == 0 and place == 0:
            start = Start(1, None, follows=False)
        elif not known:
            start = Start(0, None, follows=True)
        else:
            # Some machines cannot get the newest at once, and begin with the last that worked there.
            pointer = known[-1] if dice.random() < _STARTS_WITH_NEWEST else dice.choice(known)
            start = Start([each.version for each in bundles()].index(pointer.bundle_version), pointer, follows=True)
        process = Process(self, f"worker-{place}.{self._started}", start, self._settings)
        if known:
            self._tell(process, known[-1])
        if place < len(self.processes):
            self.processes[place] = process
        else:
            self.processes.append(process)

    def _watch(self) -> None:
        """Orchestrator, on-call and end of the simulation."""
        while True:
            self.hub.pause(_LOOK_EVERY_S)
            for place, process in enumerate(list(self.processes)):
                if process.is_alive and not process.is_frozen and not process.is_healthy:
                    self.hub.note(process.name, "unhealthy")
                    process.kill()
                if not process.is_alive:
                    self.hub.pause(_RESTART_S)
                    self._start(place)
            is_lacking = self.losses > self._rebuilt and not self._is_rebuilding
            if is_lacking and (self._is_played or self.hub.current.dice.random() < _REBUILT_AT_ONCE):
                self._is_rebuilding = True
                self.hub.spawn("rebuild", self._rebuild)
            if self._is_played:
                self._end()

    def _end(self) -> None:
        unsettled = self._unsettled()
        if not unsettled:
            self.rules.check_end(self.brokers)
            if self._index is not None:
                self._index.check_end()
            self._is_done = True
            self.hub.block()
        if self.hub.now > _LIMIT_S:
            self.hub.fail(f"invariant 3: not everything is settled after {_LIMIT_S:.0f} s: {unsettled}")

    def _rebuild(self) -> None:
        """What `hangtag rebuild` does; if it fails, a person runs it again."""
        self.hub.current.stage = "rebuild"
        losses = self.losses
        store, sink = RebuildStore(RedisSettings()), KafkaSink(KafkaSettings(), "hangtag-cli")
        partitions = {partition.number: partition for partition in self.brokers.partitions[TAGGED]}
        try:
            positions = dict.fromkeys(partitions, 0) | store.begin(
                "topic", list(partitions), from_start=self.has_foreign_key
            )
            rebuilds = {number: PartitionRebuild(store, sink) for number in partitions}
            for number, partition in partitions.items():
                while positions[number] < self.brokers.ends[partition]:
                    records, position = self.brokers.after(partition, positions[number], _REBUILD_CHUNK)
                    rebuilds[number].take(records)
                    positions[number] = position
                    store.note({number: rebuilds[number].next_offset(position)})
            for rebuild in rebuilds.values():
                rebuild.finish()
            store.note(positions)
            store.end()
        except (StoreError, SinkError):
            pass
        else:
            self._rebuilt = losses
            self.has_foreign_key = False
        self._is_rebuilding = False

    def _unsettled(self) -> str:
        """What is still on its way; empty if nothing is."""
        ends = self.brokers.ends
        groups = [self.group, self.arrivals_group, *([self.tail_group] if self.schedule.has_tail else [])]
        behind = [
            f"{partition.topic}-{partition.number} {group.committed.get(partition, (0, ''))[0]} of {ends[partition]}"
            for group in groups
            for partition in group.partitions
            if group.committed.get(partition, (0, ""))[0] < ends[partition]
        ]
        if behind:
            return ", ".join(behind)
        if self.losses > self._rebuilt:
            return "the store is not rebuilt"
        if any(process.is_writing for process in self.processes):
            return "a worker is writing"
        if self._tagging_again:
            return "products are being tagged again"
        if not self.lookups.is_idle:
            return "a look-up has no reply"
        return "" if self._index is None else self._index.behind()


def _decode_event(value: bytes | None, *others: Any) -> ProductEvent:
    """The shipped decoder with a bug: it fails on a certain text."""
    if value is not None and _CURSED in value:
        raise OverflowError
    return decode_event(value, *others)


def _drop(*_: Any) -> NoReturn:
    raise structlog.DropEvent


@contextmanager
def simulated_clients() -> Iterator[None]:
    """In place of the clients of Redis and Kafka, which the shipped code opens itself, those of the simulation."""
    logs = structlog.get_config()
    # Only errors that end a process are so severe, and they are dropped too.
    structlog.configure(processors=[_drop], wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        with (
            patch.object(links, "Link", SimLink),
            patch.object(kafka_sink, "Producer", SimProducer),
            patch.object(decode_stage, "decode_event", _decode_event),
            patch.object(store_watch, "random", SimDice()),
            simulated_index(),
        ):
            yield
    finally:
        structlog.configure(**logs)


def simulate(schedule: Schedule) -> Result:
    """Run a schedule. Call it inside `simulated_clients`."""
    return World(schedule).run()
