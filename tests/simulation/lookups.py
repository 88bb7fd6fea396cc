"""A server that answers look-ups: the shipped handlers, coalescer, reader and store watch on a simulated event loop."""

from __future__ import annotations

import asyncio
import math
import selectors
from typing import TYPE_CHECKING, Any

from grpc_health.v1 import health_pb2

from hangtag.records import decode_tags
from hangtag.server.coalescer import Coalescer
from hangtag.server.errors import CallError
from hangtag.server.handlers import Handlers
from hangtag.server.popular import Popular
from hangtag.server.store_watch import STORE_HEARTBEAT, StoreWatch
from hangtag.settings import RedisSettings
from hangtag.store import Entry, StoreError
from hangtag.store.redis_reader import RedisTagReader
from hangtag.telemetry import Heartbeats
from hangtag.v1 import tags_pb2
from tests.simulation.hub import Hub, SimClock

if TYPE_CHECKING:
    from tests.simulation.world import World

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


class Lookups:
    """Calls of clients. What they are told must be true and must never go back to an older version."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hub = world.hub
        LOOP.hub = world.hub
        LOOP.set_exception_handler(self._failed)
        clock = SimClock(world.hub)
        reader = RedisTagReader(RedisSettings())
        self._handlers = Handlers(Coalescer(reader, clock, read_slots=2), _MOST_IDS, Popular())
        self._servicer = _Servicer()
        beats = Heartbeats(clock, {STORE_HEARTBEAT: math.inf})
        self._watch = StoreWatch(reader, self._servicer, beats, "hangtag.v1.TagService")
        self._newest: dict[str, int] = {}
        self._calls = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._actor = world.hub.spawn("server", self._run)

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
        self._actor.stage = "lookup"
        call = self._batch(products) if together else self._single(products[0])
        self._tasks.add(LOOP.create_task(call))

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

    async def _single(self, product: str) -> None:
        began = self._world.rules.held(product)
        epoch, known = self._world.losses, self._newest.get(product, 0)
        try:
            reply = await self._handlers.get_product_tags(tags_pb2.GetProductTagsRequest(product_id=product))
        except CallError:
            self._check(product, began, epoch, known, None)
        except StoreError:
            pass
        else:
            self._check(product, began, epoch, known, tags_pb2.GetProductTagsResponse.FromString(reply))
        self._ended()

    async def _batch(self, products: list[str]) -> None:
        began = [self._world.rules.held(product) for product in products]
        epoch, known = self._world.losses, [self._newest.get(product, 0) for product in products]
        try:
            reply = await self._handlers.batch_get_product_tags(
                tags_pb2.BatchGetProductTagsRequest(product_ids=products)
            )
        except StoreError:
            pass
        else:
            found = tags_pb2.BatchGetProductTagsResponse.FromString(reply).products
            for product, rank, version, one in zip(products, began, known, found, strict=True):
                self._check(product, rank, epoch, version, one)
        self._ended()

    def _ended(self) -> None:
        self._calls -= 1
        self._hub.note("server", "replied")
        if not self._calls:
            self._actor.stage = ""

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
