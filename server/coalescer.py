"""Combines concurrent look-ups into one read of the store."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hangtag.store import Stored
from hangtag.telemetry import metrics
from hangtag.telemetry.clock import Clock

MAX_PRODUCTS = 2_000
# Concurrent reads of the store. While all slots are taken, products collect for the next read, so that a slow store
# gets fewer and larger reads.
_READ_SLOTS = 4


class TagReader(Protocol):
    """The part of a store that the coalescer needs: `RedisTagReader`, or a stand-in of the tests and the simulator."""

    async def read(self, ids: Sequence[str]) -> list[Stored]:
        """The stored state of these products, in order. Errors: `StoreError`."""
        ...


class Found(NamedTuple):
    """The stored state of the requested products, in order, and when the store was read, in ms since 1970, UTC."""

    stored: list[Stored]
    as_of_ms: int


class _Read:
    """Products that are read together. `done` yields the state of each, and when the read started."""

    __slots__ = ("done", "products")

    def __init__(self, done: asyncio.Future[tuple[dict[str, Stored], int]]) -> None:
        self.products: dict[str, None] = {}
        self.done = done


class Coalescer:
    """Reads all products that are requested in one iteration of the event loop together, each once.

    A product that is requested while a read of it is already running is read again: its caller may know of a write that
    the running read missed.
    """

    def __init__(
        self, store: TagReader, clock: Clock, max_products: int = MAX_PRODUCTS, read_slots: int = _READ_SLOTS
    ) -> None:
        self._store = store
        self._clock = clock
        self._max_products = max_products
        self._free_slots = read_slots
        self._waiting: deque[_Read] = deque()
        self._is_scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, ids: Sequence[str]) -> Found:
        """Read these products; an id may be repeated. If that takes several reads, `as_of_ms` is that of the earliest.

        Raises:
            StoreError: the store cannot be reached, or its reply is wrong.
        """
        reads: list[_Read] = []
        for product in ids:
            read = self._read_for(product)
            if not reads or reads[-1] is not read:
                reads.append(read)
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._launch)
        stored: dict[str, Stored] = {}
        times: list[int] = []
        for read in reads:
            # Shielded: a caller that is cancelled must not cancel the read for the others.
            found, read_ms = await asyncio.shield(read.done)
            stored.update(found)
            times.append(read_ms)
        return Found([stored[product] for product in ids], min(times, default=self._clock.wall_ms()))

    def _read_for(self, product: str) -> _Read:
        read = self._waiting[-1] if self._waiting else None
        if read is None or (len(read.products) >= self._max_products and product not in read.products):
            read = _Read(asyncio.get_running_loop().create_future())
            self._waiting.append(read)
        read.products[product] = None
        return read

    def _launch(self) -> None:
        self._is_scheduled = False
        while self._waiting and self._free_slots:
            self._free_slots -= 1
            task = asyncio.create_task(self._run(self._waiting.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, read: _Read) -> None:
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
            self._free_slots += 1
            self._launch()
