"""What this process last read of each product, bounded in number."""

import threading
from collections.abc import Sequence

from hangtag.server.change import Change
from hangtag.server.looked_up import LookedUp
from hangtag.store import Seen, Stored
from hangtag.telemetry.clock import Clock

# Products whose last change is remembered, for reads that began before it.
_MOST_CHANGES = 20_000
_NEVER = float("-inf")


class Cache:
    """Keeps at most `entries` products; any thread may call.

    Products are in two halves: what is read goes into the young one, and once that is full it becomes the old one,
    whose products are dropped. So keeping one costs no more than putting it into a dictionary.
    """

    def __init__(self, entries: int, clock: Clock) -> None:
        self._clock = clock
        self._half = max(1, entries // 2) if entries else 0
        self._young: dict[str, LookedUp] = {}
        self._old: dict[str, LookedUp] = {}
        # When `take` was last told about a product, in two halves as well.
        self._changed: dict[str, float] = {}
        self._changed_before: dict[str, float] = {}
        self._last_change_s = self._halved_s = _NEVER
        # Changes up to that time may be forgotten.
        self._forgotten_s = _NEVER
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, product: str) -> LookedUp | None:
        """What was last read of a product."""
        return self._young.get(product) or self._old.get(product)

    def keep(self, products: Sequence[str], found: Sequence[LookedUp]) -> None:
        """Keep what one read of the store found, where that cannot be older than what is known."""
        if not self._half or not found:
            return
        products, found = products[: self._half], found[: self._half]
        as_of_s = found[0].as_of_s
        with self._lock:
            if len(self._young) + len(products) > self._half:
                self._old, self._young = self._young, {}
            if as_of_s > self._last_change_s:
                self._young.update(zip(products, found, strict=True))
            elif as_of_s > self._forgotten_s:
                for product, each in zip(products, found, strict=True):
                    changed_s = self._changed.get(product) or self._changed_before.get(product, _NEVER)
                    if as_of_s > changed_s:
                        self._young[product] = each

    def take(self, changes: Sequence[Change]) -> None:
        """See `ChangeListener`. What is kept and older than a change answers only while the store is away."""
        if not self._half:
            return
        now = self._clock.monotonic()
        with self._lock:
            self._last_change_s = now
            if len(self._changed) >= _MOST_CHANGES:
                self._changed_before, self._changed = self._changed, {}
                self._forgotten_s, self._halved_s = max(self._forgotten_s, self._halved_s), now
            for change in changes:
                self._changed[change.product_id] = now
                self._put_behind(change)

    def missed(self) -> None:
        """See `ChangeListener`. Nothing that is kept answers, unless the store is away."""
        with self._lock:
            self._last_change_s = self._forgotten_s = self._clock.monotonic()
            for half in (self._young, self._old):
                half.update({product: each._replace(is_behind=True) for product, each in half.items()})

    def _put_behind(self, change: Change) -> None:
        product, payload = change.product_id, change.payload
        kept = self.get(product)
        if kept is None:
            return
        held = -1 if kept.stored.version is None else kept.stored.version
        if change.version < held or (change.version == held and payload == kept.stored.payload):
            return  # it arrived late, or is what is kept
        if payload:
            half = self._young if product in self._young else self._old
            half[product] = kept._replace(stored=_raised(kept.stored, change.version), is_behind=True)
        else:
            self._young.pop(product, None)
            self._old.pop(product, None)


def _raised(stored: Stored, version: int) -> Stored:
    """What is stored, with the knowledge that `version` was received."""
    seen = stored.seen
    if seen is not None and seen.version >= version:
        return stored
    return stored._replace(seen=Seen(version) if seen is None else seen._replace(version=version))
