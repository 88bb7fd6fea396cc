"""The `batch` hop: encoded items wait here until the engine takes them."""

from hangtag.tagger.planner import Waiting, plan
from hangtag.workers.item import Item, newer_of


class Batcher:
    """Items that wait for the engine, one per product. One thread owns it."""

    def __init__(self, window: int, max_wait_s: float) -> None:
        self._window = window
        self._max_wait_s = max_wait_s
        self._items: dict[str, Item] = {}

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Item) -> Item | None:
        """Let an item wait, merged with a waiting one of its product. Returns one that needs no engine."""
        known = self._items.pop(item.event.product_id, None)
        if known is not None:
            item = newer_of(known, item)
        if not item.needs_engine:
            return item
        self._items[item.event.product_id] = item
        return None

    def batch(self, budget: int, now: float, *, is_engine_busy: bool) -> list[Item]:
        """Take out the batch to run now; empty if nothing waits.

        While the engine is busy, and only then, it is also empty if what waits should wait for more. All items of a
        batch were encoded by one release, whose engine says what the batch costs.
        """
        if not self._items:
            return []
        release = min(self._items.values(), key=lambda item: item.arrived_s).release
        assert release is not None
        alike = [item for item in self._items.values() if item.release is release]
        chosen = plan(
            [Waiting(len(item.tokens or ()), item.arrived_s) for item in alike],
            budget,
            now,
            cost=release.tagger.engine.cost,
            busy=is_engine_busy,
            max_wait_s=self._max_wait_s,
            window=self._window,
        )
        items = [alike[place] for place in chosen.batch]
        for item in items:
            del self._items[item.event.product_id]
        return items
