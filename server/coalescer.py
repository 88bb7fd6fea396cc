"""Combines concurrent look-ups into one read of the store."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hangtag.store import RedisTagReader, Stored, StoreState
from hangtag.telemetry import metrics
from hangtag.telemetry.clock import Clock

# Look-ups of more ids than this are read in slices, in a lane of their own, so that smaller ones do not wait for them.
SMALL_READ = 100
# Products of one read of the store. The event loop is busy for some milliseconds with the results of so many.
MAX_PRODUCTS = 500
_SLICE = 250
# Concurrent reads of the store. While all slots are taken, products collect for the next read, so that a slow store
# gets fewer and larger reads.
_READ_SLOTS = 4
_SLICE_SLOTS = 2


class TagReader(Protocol):
    """The part of a store that the coalescer needs: `ThreadedReader`, or a stand-in of the tests and the simulator."""

    async def read(self, ids: Sequence[str]) -> list[Stored]:
        """The stored state of these products, in order. Errors: `StoreError`."""
        ...


class ThreadedReader:
    """The blocking reader, each call in a thread."""

    def __init__(self, store: RedisTagReader) -> None:
        self._store = store
        self.address = store.address

    async def read(self, ids: Sequence[str]) -> list[Stored]:
        """See `RedisTagReader.read`."""
        return (await asyncio.to_thread(self._store.read, ids)).stored

    async def check(self) -> StoreState:
        """See `RedisTagReader.check`."""
        return await asyncio.to_thread(self._store.check)


class Found(NamedTuple):
    """The stored state of the requested products, in order, and when the store was read, in ms since 1970, UTC."""

    stored: list[Stored]
    as_of_ms: int


class _Read:
    """Products that are read together. `done` yields the state of each, and when the read started."""

    __slots__ = ("callers", "done", "products")

    def __init__(self, done: asyncio.Future[tuple[dict[str, Stored], int]]) -> None:
        self.products: dict[str, None] = {}
        self.callers = 0
        self.done = done


class _Lane:
    """Reads that wait, at most `max_products` each, and how many more may run."""

    __slots__ = ("free_slots", "max_products", "waiting")

    def __init__(self, max_products: int, free_slots: int) -> None:
        self.max_products = max_products
        self.free_slots = free_slots
        self.waiting: deque[_Read] = deque()

    def read_for(self, product: str) -> _Read:
        """The waiting read that this product joins."""
        read = self.waiting[-1] if self.waiting else None
        if read is None or (len(read.products) >= self.max_products and product not in read.products):
            read = _Read(asyncio.get_running_loop().create_future())
            self.waiting.append(read)
        read.products[product] = None
        return read

    def next(self) -> _Read | None:
        """The next read that may run and that a caller still waits for."""
        while self.waiting and self.free_slots:
            read = self.waiting.popleft()
            if read.callers:
                self.free_slots -= 1
                return read
        return None


class Coalescer:
    """Reads all products that are requested in one iteration of the event loop together, each once.

    A product that is requested while a read of it is already running is read again: its caller may know of a write that
    the running read missed. Look-ups of more than `SMALL_READ` ids have read slots of their own and are read in slices.
    """

    def __init__(
        self,
        store: TagReader,
        clock: Clock,
        max_products: int = MAX_PRODUCTS,
        read_slots: int = _READ_SLOTS,
        slice_products: int = _SLICE,
    ) -> None:
        self._store = store
        self._clock = clock
        self._small = _Lane(max_products, read_slots)
        self._large = _Lane(slice_products, _SLICE_SLOTS)
        self._is_scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, ids: Sequence[str]) -> Found:
        """Read these products; an id may be repeated. If that takes several reads, `as_of_ms` is that of the earliest.

        Raises:
            StoreError: the store cannot be reached, or its reply is wrong.
        """
        lane = self._small if len(ids) <= SMALL_READ else self._large
        places = [lane.read_for(product) for product in ids]
        reads = list(dict.fromkeys(places))
        for read in reads:
            read.callers += 1
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._launch)
        try:
            # Shielded: a caller that is cancelled must not cancel the read for the others.
            found = {read: await asyncio.shield(read.done) for read in reads}
        finally:
            for read in reads:
                read.callers -= 1
        as_of_ms = min((read_ms for _, read_ms in found.values()), default=self._clock.wall_ms())
        return Found([found[read][0][product] for product, read in zip(ids, places, strict=True)], as_of_ms)

    def _launch(self) -> None:
        self._is_scheduled = False
        for lane in (self._small, self._large):
            while read := lane.next():
                task = asyncio.create_task(self._run(lane, read))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _run(self, lane: _Lane, read: _Read) -> None:
        products = list(read.products)
        metrics.COALESCED_KEYS.observe(len(products))
        # Before the read: all that was stored by then is in the reply.
        as_of_ms = self._clock.wall_ms()
        try:
            with metrics.STORE_SECONDS.time():
                stored = await self._store.read(products)
            read.done.set_result((dict(zip(products, stored, strict=True)), as_of_ms))
        except asyncio.CancelledError:
            read.done.cancel()
            raise
        except Exception as error:  # noqa: BLE001 (passed on to every caller)
            read.done.set_exception(error)
            # If all callers were cancelled, nobody retrieves the error. This keeps asyncio from logging that.
            read.done.exception()
        finally:
            lane.free_slots += 1
            self._launch()
