"""A server that answers look-ups: the shipped calls, lanes, reader and store watch, with actors in place of threads."""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from grpc_health.v1 import health_pb2

from hangtag.records import decode_tags
from hangtag.server.calls import Calls
from hangtag.server.errors import CallError, Reason
from hangtag.server.lane import Lane
from hangtag.server.look_up import NO_DEADLINE, LookUp, batch_parser, parse_get
from hangtag.server.lookups import Answer
from hangtag.server.lookups import Lookups as StoredLookups
from hangtag.server.store_watch import STORE_HEARTBEAT, StoreWatch
from hangtag.settings import RedisSettings
from hangtag.store import Entry
from hangtag.store.redis_reader import RedisTagReader
from hangtag.telemetry import Heartbeats
from hangtag.v1 import tags_pb2
from tests.simulation.hub import Actor, Hub, SimClock

if TYPE_CHECKING:
    from tests.simulation.world import World

_MOST_CALLS = 10_000
_MOST_IDS = 1_000
# The watch looks every second, and a look may take a second.
_WATCHED_WITHIN_S = 3.0


class _NoSelector(selectors.SelectSelector):
    """Files are never ready; the loop never waits for them."""

    def select(self, timeout: float | None = None) -> list[Any]:  # noqa: ARG002
        return []


class SimLoop(asyncio.SelectorEventLoop):
    """asyncio's event loop in simulated time, one turn at a time. One per process serves all simulations."""

    hub: Hub

    def __init__(self) -> None:
        super().__init__(_NoSelector())

    def time(self) -> float:
        """See `asyncio.AbstractEventLoop`."""
        return self.hub.now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # noqa: ARG002 (named by the base class)
        """See `asyncio.AbstractEventLoop`; while the function waits, only the actor of the event loop does."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 (as a thread of a pool does)
            future.set_exception(error)
        return future

    def turn(self) -> None:
        """Run what is ready."""
        self.call_soon(self.stop)
        self.run_forever()


LOOP = SimLoop()


class _Servicer:
    """Takes the state of health, as gRPC's servicer does."""

    def __init__(self) -> None:
        self.is_serving = False

    async def set(self, _service: str, status: Any) -> None:
        self.is_serving = status == health_pb2.HealthCheckResponse.SERVING

    async def enter_graceful_shutdown(self) -> None:
        self.is_serving = False


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
    """Calls of clients. What they are told must be true and must never go back to an older version."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hub = world.hub
        LOOP.hub = world.hub
        LOOP.set_exception_handler(self._failed)
        clock = SimClock(world.hub)
        reader = RedisTagReader(RedisSettings(), clock)
        self._server = Calls(clock, StoredLookups(reader), _MOST_CALLS, _MOST_IDS)
        self._server.open(_Client(self._server))
        self._parse_batch = batch_parser(_MOST_IDS)
        self._servicer = _Servicer()
        beats = Heartbeats(clock, {STORE_HEARTBEAT: math.inf})
        self._watch = StoreWatch(reader, self._servicer, beats, "hangtag.v1.TagService")
        self._newest: dict[str, int] = {}
        self._calls = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: list[Actor] = []
        world.hub.spawn("server", self._run)
        self._lanes = [
            world.hub.spawn(f"lane-{number}", partial(self._work, lane))
            for number, lane in enumerate(2 * self._server.lanes)
        ]

    @property
    def is_idle(self) -> bool:
        """True if no call waits for its reply."""
        return not self._calls

    def forget(self) -> None:
        """The store has lost data: what it told before may be gone until it is told again."""
        self._newest.clear()

    def look_up(self, products: list[str], *, together: bool) -> None:
        """A client calls."""
        self._calls += 1
        for lane in self._lanes:
            lane.stage = "lookup"
        if together:
            raw = tags_pb2.BatchGetProductTagsRequest(product_ids=products).SerializeToString()
            look_up = self._server.look_up(self._parse_batch, raw, self._batch(products), NO_DEADLINE)
        else:
            raw = tags_pb2.GetProductTagsRequest(product_id=products[0]).SerializeToString()
            look_up = self._server.look_up(parse_get, raw, self._single(products[0]), NO_DEADLINE)
        self._server.put([look_up])
        for lane in self._idle:
            self._hub.wake(lane, lane.dice.choice((0.0, 0.001, 0.004)))
        self._idle.clear()

    def _work(self, lane: Lane) -> None:
        while True:
            if not lane.step():
                self._idle.append(self._hub.current)
                self._hub.block()

    def _run(self) -> None:
        self._tasks.add(LOOP.create_task(self._watch.run()))  # type: ignore[arg-type]
        since = 0.0
        try:
            while True:
                LOOP.turn()
                self._hub.pause(0.005 if self._calls else 0.5)
                if self._world.network.away_until > self._hub.now:
                    since = since or self._hub.now
                    if self._hub.now - since > _WATCHED_WITHIN_S and self._servicer.is_serving:
                        self._hub.fail("invariant 6: health is SERVING although the store is away")
                else:
                    since = 0.0
        finally:
            for task in self._tasks:
                task.cancel()
            LOOP.turn()
            LOOP.turn()

    def _failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._hub.bug = self._hub.bug or context.get("exception")

    def _single(self, product: str) -> Callable[[Answer], None]:
        began = self._world.rules.held(product)
        epoch, known = self._world.losses, self._newest.get(product, 0)

        def reply(answer: Answer) -> None:
            if isinstance(answer, bytes):
                self._check(product, began, epoch, known, tags_pb2.GetProductTagsResponse.FromString(answer))
            elif answer.reason is Reason.PRODUCT_UNKNOWN:
                self._check(product, began, epoch, known, None)
            self._ended(answer)

        return reply

    def _batch(self, products: list[str]) -> Callable[[Answer], None]:
        began = [self._world.rules.held(product) for product in products]
        epoch, known = self._world.losses, [self._newest.get(product, 0) for product in products]

        def reply(answer: Answer) -> None:
            if isinstance(answer, bytes):
                found = tags_pb2.BatchGetProductTagsResponse.FromString(answer).products
                for product, rank, version, one in zip(products, began, known, found, strict=True):
                    self._check(product, rank, epoch, version, one)
            self._ended(answer)

        return reply

    def _ended(self, answer: Answer) -> None:
        if isinstance(answer, CallError) and answer.reason is Reason.INTERNAL_ERROR:
            self._hub.fail("a look-up failed with an error of the server")
        self._calls -= 1
        self._hub.note("server", "replied")
        if not self._calls:
            for lane in self._lanes:
                lane.stage = ""

    def _check(self, product: str, began: Entry | None, epoch: int, known: int, reply: Any) -> None:
        """`began` is what was stored when the call began, `known` the version that an earlier call had returned."""
        rules = self._world.rules
        before = 0 if began is None else began.version
        is_known = reply is not None and reply.freshness in (tags_pb2.FRESHNESS_FRESH, tags_pb2.FRESHNESS_STALE)
        if epoch != self._world.losses:
            return
        if not is_known:
            if began is not None and not began.is_deletion and not rules.may_be_deleted_since(product, before):
                self._hub.fail(f"invariant 2: a look-up of {product} finds nothing; version {before} was stored")
            return
        if reply.version < max(before, known):
            self._hub.fail(
                f"invariant 2: a look-up of {product} returns version {reply.version} after {max(before, known)}"
            )
        self._newest[product] = max(self._newest.get(product, 0), reply.version)
        rules.check_tags(product, decode_tags(reply.SerializeToString()))
