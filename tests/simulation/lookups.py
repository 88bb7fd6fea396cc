"""A server that answers look-ups: the shipped calls, lanes, cache, gate, watch and waits, with actors as threads.

The follower and its Kafka client are not part of it: an actor reads the topic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from hangtag.models import Pointer
from hangtag.server.cache import Cache
from hangtag.server.cached_reader import CachedReader
from hangtag.server.calls import Calls
from hangtag.server.change import Change
from hangtag.server.errors import CallError, Reason
from hangtag.server.lane import Lane
from hangtag.server.look_up import NO_DEADLINE, LookUp, batch_parser, parse_get
from hangtag.server.lookups import Answer
from hangtag.server.lookups import Lookups as StoredLookups
from hangtag.server.pointer_view import PointerView
from hangtag.server.store_gate import StoreGate
from hangtag.server.store_watch import STORE_HEARTBEAT, StoreWatch
from hangtag.server.waits import Waits
from hangtag.settings import RedisSettings, ServerSettings
from hangtag.store.redis_reader import RedisTagReader
from hangtag.telemetry import Heartbeats
from hangtag.v1 import tags_pb2
from tests.simulation.asked import Asked
from tests.simulation.brokers import TAGGED
from tests.simulation.hub import Actor, SimClock
from tests.simulation.model import SCHEMA

if TYPE_CHECKING:
    from tests.simulation.world import World

_MOST_CALLS = 10_000
_MOST_IDS = 1_000
_CALLS = 3
_WAIT_LIMIT_S = 3.0
# The watch looks every second, and a look may take a second.
_WATCHED_WITHIN_S = 3.0
_MOST_FOLLOWED = 20


class _Client:
    """What a simulated client waits for: the reply, or an error. Stands in for a transport."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def deliver(self, look_ups: Sequence[LookUp], answers: Sequence[Answer]) -> None:
        """See `hangtag.server.calls.Sink`."""
        self._calls.answered(look_ups, answers)
        for look_up, answer in zip(look_ups, answers, strict=True):
            look_up.call(answer)


class Lookups:
    """Calls of clients, and what a server does for them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hub = hub = world.hub
        dice = hub.dice("server")
        clock = SimClock(hub)
        self.settings = ServerSettings(
            cache_ttl_ms=dice.choice((0, 0, 200, 2_000)),
            cache_entries=dice.choice((0, 2, 100)),
            cache_stale_s=dice.choice((0, 1, 300)),
        )
        gate = StoreGate(RedisTagReader(RedisSettings(), clock))
        self._cache = Cache(self.settings.cache_entries, clock)
        reader = CachedReader(gate, self._cache, self.settings, clock)
        self.pointer = PointerView(lambda: SCHEMA)
        stored = StoredLookups(reader, lambda _: None, pointer=self.pointer)
        self._server = Calls(clock, stored, _MOST_CALLS, _MOST_IDS)
        self.known: Pointer | None = None
        if (released := world.releases.current) is not None:
            self._take(released)
        self._waits = Waits(reader.read, self._server.waited, clock, _WAIT_LIMIT_S, _fail)
        self._server.open(_Client(self._server), self._waits)
        self._parse_batch = batch_parser(_MOST_IDS)
        self._is_serving = False
        beats = Heartbeats(clock, {STORE_HEARTBEAT: math.inf})
        self._watch = StoreWatch(gate, partial(setattr, self, "_is_serving"), beats, _fail)
        self._asked = Asked(world, self.settings)
        self._clients = self._calls = 0
        self._idle: list[Actor] = []
        watcher = hub.spawn("store watch", self._watch_store)
        gate.on_close = lambda: None if hub.current is watcher else hub.wake(watcher)
        hub.spawn("health", self._check_health)
        hub.spawn("follower", self._follow)
        hub.spawn("waits", self._answer_waits)
        self._lanes = [
            hub.spawn(f"lane-{number}", partial(self._work, lane)) for number, lane in enumerate(2 * self._server.lanes)
        ]

    @property
    def is_idle(self) -> bool:
        """True if no call waits for its reply."""
        return not self._calls

    def forget(self) -> None:
        """The store has lost data: what was true before may be wrong until it is told again."""
        self._asked.forget()

    def hear(self, pointer: Pointer) -> None:
        """The server will hear of a pointer."""
        after_s = self._hub.current.dice.choice((0.0, 0.05, 0.5))
        self._hub.spawn(f"server-pointer-{pointer.sequence}", partial(self._take, pointer), after_s)

    def _take(self, pointer: Pointer) -> None:
        if self.known is None or pointer.sequence > self.known.sequence:
            self.known = pointer
            self.pointer.take(pointer)

    def look_up(self, products: list[str], *, together: bool) -> None:
        """A client calls, and soon again."""
        self._clients += 1
        self._calls += _CALLS
        self._hub.spawn(f"client-{self._clients}", partial(self._client, products, together=together))

    def _client(self, products: list[str], *, together: bool) -> None:
        for _ in range(_CALLS):
            self._call(products, together=together)
            self._hub.pause(self._hub.current.dice.choice((0.0, 0.001, 0.02, 0.3)))

    def _call(self, products: list[str], *, together: bool) -> None:
        for lane in self._lanes:
            lane.stage = "lookup"
        dice = self._hub.current.dice
        versions = [dice.choice((0, 0, 0, dice.randrange(1, 13))) for _ in products]
        if together:
            versions = versions if dice.random() < 0.5 else []
            raw = tags_pb2.BatchGetProductTagsRequest(product_ids=products, min_versions=versions).SerializeToString()
            expected = self._asked.batch(products, versions or [0] * len(products))
            look_up = self._server.look_up(self._parse_batch, raw, self._then(expected), NO_DEADLINE)
        else:
            (product, *_), (version, *_) = products, versions
            awaited = version if dice.random() < 0.5 else 0
            request = tags_pb2.GetProductTagsRequest(
                product_id=product, min_version=0 if awaited else version, wait_for_version=awaited
            )
            expected = self._asked.single(product, version, until_s=_WAIT_LIMIT_S if awaited else 0.0)
            raw = request.SerializeToString()
            look_up = self._server.look_up(parse_get, raw, self._then(expected), NO_DEADLINE)
        self._server.put([look_up])
        for lane in self._idle:
            self._hub.wake(lane, lane.dice.choice((0.0, 0.001, 0.004)))
        self._idle.clear()

    def _then(self, expected: Callable[[Answer], None]) -> Callable[[Answer], None]:
        def reply(answer: Answer) -> None:
            if isinstance(answer, CallError) and answer.reason is Reason.INTERNAL_ERROR:
                self._hub.fail("a look-up failed with an error of the server")
            expected(answer)
            self._calls -= 1
            self._hub.note("server", "replied")
            if not self._calls:
                for lane in self._lanes:
                    lane.stage = ""

        return reply

    def _work(self, lane: Lane) -> None:
        while True:
            if not lane.step():
                self._idle.append(self._hub.current)
                self._hub.block()

    def _answer_waits(self) -> None:
        dice = self._hub.current.dice
        while True:
            self._waits.turn()
            self._hub.pause(dice.choice((0.001, 0.05)) if len(self._waits) else 0.5)

    def _watch_store(self) -> None:
        while True:
            self._hub.pause(self._watch.look())

    def _follow(self) -> None:
        """Read `products.tagged` as the follower does; now and then it begins anew at the end."""
        brokers, dice = self._world.brokers, self._hub.current.dice
        positions = dict.fromkeys(brokers.partitions[TAGGED], 0)
        while True:
            self._hub.pause(dice.choice((0.005, 0.05, 0.5)))
            if brokers.is_away:
                continue
            if dice.random() < 0.02:
                positions = {partition: brokers.ends[partition] for partition in positions}
                for listener in (self._cache, self._waits):
                    listener.missed()
            for partition, position in positions.items():
                records, positions[partition] = brokers.after(partition, position, _MOST_FOLLOWED)
                changes = [Change.of(record) for record in records]
                for listener in (self._cache, self._waits):
                    listener.take(changes)
                self._asked.told(changes)

    def _check_health(self) -> None:
        since = until = 0.0
        while True:
            self._hub.pause(0.5)
            if until <= self._hub.now:  # the store may have been back between two looks
                since = self._hub.now
            until = self._world.network.away_until
            is_away = until > self._hub.now
            if is_away and self._hub.now - since > _WATCHED_WITHIN_S and self._is_serving:
                self._hub.fail("invariant 6: health is SERVING although the store is away")


def _fail(error: Exception) -> None:
    raise error
