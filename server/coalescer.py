"""Many look-ups at once become one read of the store."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from hangtag.store import Stored
from hangtag.telemetry import metrics

MAX_PRODUCTS = 2_000
# Reads under way at a time. While all are, further products gather for the next: a slow store gets fewer, larger reads.
_LANES = 4


class TagReader(Protocol):
    """The one call that the coalescer makes: `RedisTagReader`, or a stand-in of the tests and the simulator."""

    async def read(self, ids: Sequence[str]) -> list[Stored]:
        """What is known of these products, in order. Errors: `StoreError`."""
        ...


class _Turn:
    """Products that are read together; `done` gives what is known of each."""

    __slots__ = ("done", "products")

    def __init__(self, done: asyncio.Future[dict[str, Stored]]) -> None:
        self.products: dict[str, None] = {}
        self.done = done


class Coalescer:
    """Collects the products that one turn of the event loop asks for, without duplicates, and reads them in one go.

    A product that is being read already is read again: its caller may know of a write that the read under way missed.
    """

    def __init__(self, store: TagReader, max_products: int = MAX_PRODUCTS, lanes: int = _LANES) -> None:
        self._store = store
        self._max_products = max_products
        self._free_lanes = lanes
        self._waiting: deque[_Turn] = deque()
        self._is_scheduled = False
        self._reads: set[asyncio.Task[None]] = set()

    async def read(self, ids: Sequence[str]) -> list[Stored]:
        """What is known of these products, in order; an id may be repeated.

        Raises:
            StoreError: the store cannot be reached or answers wrongly.
        """
        turns: list[_Turn] = []
        for product in ids:
            turn = self._turn_for(product)
            if not turns or turns[-1] is not turn:
                turns.append(turn)
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._launch)
        known: dict[str, Stored] = {}
        for turn in turns:
            # Shielded: a caller that gives up must not take the answer away from the others.
            known.update(await asyncio.shield(turn.done))
        return [known[product] for product in ids]

    def _turn_for(self, product: str) -> _Turn:
        turn = self._waiting[-1] if self._waiting else None
        if turn is None or (len(turn.products) >= self._max_products and product not in turn.products):
            turn = _Turn(asyncio.get_running_loop().create_future())
            self._waiting.append(turn)
        turn.products[product] = None
        return turn

    def _launch(self) -> None:
        self._is_scheduled = False
        while self._waiting and self._free_lanes:
            self._free_lanes -= 1
            task = asyncio.create_task(self._read(self._waiting.popleft()))
            self._reads.add(task)
            task.add_done_callback(self._reads.discard)

    async def _read(self, turn: _Turn) -> None:
        products = list(turn.products)
        metrics.COALESCED_KEYS.observe(len(products))
        try:
            stored = await self._store.read(products)
            turn.done.set_result(dict(zip(products, stored, strict=True)))
        except asyncio.CancelledError:
            turn.done.cancel()
            raise
        except Exception as error:  # noqa: BLE001 (every caller gets it)
            turn.done.set_exception(error)
            # All callers may have given up; then nobody asks for the error, and that is fine.
            turn.done.exception()
        finally:
            self._free_lanes += 1
            self._launch()
