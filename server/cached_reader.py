"""Reads products from the store, or from what this process read before."""

from collections.abc import Sequence
from itertools import repeat

from hangtag.server.cache import Cache
from hangtag.server.looked_up import LookedUp
from hangtag.server.store_gate import StoreGate
from hangtag.settings import ServerSettings
from hangtag.store import StoreError
from hangtag.telemetry import metrics
from hangtag.telemetry.clock import Clock

__all__ = ["CachedReader", "LookedUp", "PartlyReadError"]

# Products of one read of the store: so many keep a core busy for some milliseconds.
MAX_PRODUCTS = 500

_FROM_CACHE, _FROM_STORE, _DEGRADED = (metrics.READ_PRODUCTS.labels(each) for each in metrics.READ_FROM)


class PartlyReadError(StoreError):
    """The store cannot be read, and not every product is in the cache. `found` has those that are, in order."""

    def __init__(self, cause: StoreError, found: list[LookedUp | None]) -> None:
        super().__init__(str(cause))
        self.found = found


class CachedReader:
    """Asks the store for what the cache may not answer. Any thread may call.

    The cache answers for at most `cache_ttl_ms` of the settings, counted from the `as_of` of what it keeps, and never a
    look-up with a `min_version`. While the store is away it answers for `cache_stale_s`, marked as degraded.
    """

    def __init__(self, gate: StoreGate, cache: Cache, settings: ServerSettings, clock: Clock) -> None:
        self._gate = gate
        self._cache = cache
        self._clock = clock
        self._ttl_s = settings.cache_ttl_ms / 1_000
        self._stale_s = settings.cache_stale_s

    def read(self, ids: Sequence[str], min_versions: Sequence[int] = ()) -> list[LookedUp]:
        """What is stored of these products, in order; an id may be repeated, and is then read once.

        `min_versions` has the newest version that the caller knows of each product, 0: none; empty: none of any. A
        product with one is read from the store's primary.

        Raises:
            PartlyReadError: the store cannot be read; some products are in the cache.
            StoreError: the store cannot be read, and none is.
        """
        kept = self._kept(ids, min_versions) if self._ttl_s else {}
        asked = [product for product in dict.fromkeys(ids) if product not in kept] if kept else list(dict.fromkeys(ids))
        try:
            found = self._ask(asked, primary=any(min_versions))
        except StoreError as error:
            return self._without_store(ids, min_versions, kept, error)
        _FROM_STORE.inc(len(asked))
        if kept:
            _FROM_CACHE.inc(len(kept))
        if len(asked) == len(ids):
            return found
        kept.update(zip(asked, found, strict=True))
        return [kept[product] for product in ids]

    def _kept(self, ids: Sequence[str], min_versions: Sequence[int]) -> dict[str, LookedUp]:
        """The products for which the cache answers."""
        now, get = self._clock.monotonic(), self._cache.get
        found = {
            product: kept
            for product in dict.fromkeys(ids)
            if (kept := get(product)) is not None and not kept.is_behind and now - kept.as_of_s < self._ttl_s
        }
        for product, version in zip(ids, min_versions, strict=bool(min_versions)):
            if version:
                found.pop(product, None)
        return found

    def _ask(self, products: Sequence[str], *, primary: bool) -> list[LookedUp]:
        if len(products) <= MAX_PRODUCTS:
            return self._read(products, primary=primary) if products else []
        found: list[LookedUp] = []
        for first in range(0, len(products), MAX_PRODUCTS):
            found += self._read(products[first : first + MAX_PRODUCTS], primary=primary)
        return found

    def _read(self, products: Sequence[str], *, primary: bool) -> list[LookedUp]:
        began_s, began_ms = self._clock.monotonic(), self._clock.wall_ms()
        found = self._gate.read(products, primary)
        # A replica answers for a time before it was asked.
        as_of_s = began_s - max(0, began_ms - found.as_of_ms) / 1_000
        looked_up = LookedUp.each(found.stored, found.as_of_ms, as_of_s)
        self._cache.keep(products, looked_up)
        return looked_up

    def _without_store(
        self, ids: Sequence[str], min_versions: Sequence[int], kept: dict[str, LookedUp], error: StoreError
    ) -> list[LookedUp]:
        now_s, now_ms = self._clock.monotonic(), self._clock.wall_ms()
        found: list[LookedUp | None] = []
        for product, version in zip(ids, min_versions or repeat(0), strict=False):
            each = None if version else kept.get(product) or self._cache.get(product)
            if each is not None and product not in kept:
                is_young = now_s - each.as_of_s <= self._stale_s
                # The wall clock may have been set back.
                as_of_ms = min(each.as_of_ms, now_ms)
                each = each._replace(is_degraded=True, as_of_ms=as_of_ms) if is_young else None
            found.append(each)
        answered = [each for each in found if each is not None]
        _DEGRADED.inc(sum(each.is_degraded for each in answered))
        if len(answered) == len(ids):
            return answered
        if answered:
            raise PartlyReadError(error, found) from error
        raise error
