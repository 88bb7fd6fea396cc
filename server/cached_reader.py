"""Reads products from the store, or from what this process read before."""

from collections.abc import Sequence
from itertools import repeat

from hangtag.server.cache import Cache
from hangtag.server.looked_up import LookedUp
from hangtag.server.store_gate import StoreGate
from hangtag.settings import ServerSettings
from hangtag.store import PartlyReadError, StoreError
from hangtag.telemetry import metrics
from hangtag.telemetry.clock import Clock

__all__ = ["CachedReader", "LookedUp", "PartlyFoundError"]

# Products of one read of the store: so many keep a core busy for some milliseconds.
MAX_PRODUCTS = 500

_FROM_CACHE, _FROM_STORE, _DEGRADED = (metrics.READ_PRODUCTS.labels(each) for each in metrics.READ_FROM)


class PartlyFoundError(StoreError):
    """The store, or a node of it, cannot be read, and not every product is in the cache.

    `found` has those that could be found, in order; None: not this one.
    """

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

        `min_versions` has the newest version that the caller knows of each product, 0: none; empty: none of any. If it
        names a version, the store's primary is read, whatever the settings say about replicas.

        Raises:
            PartlyFoundError: the store, or a node of it, cannot be read; some products were found.
            StoreError: the store cannot be read, and none was found.
        """
        known = self._kept(ids, min_versions) if self._ttl_s else {}
        if known:
            _FROM_CACHE.inc(len(known))
        asked = [product for product in dict.fromkeys(ids) if product not in known]
        problem = self._ask(asked, known, primary=any(min_versions))
        if problem is None:
            return [known[product] for product in ids]
        return self._without_store(ids, min_versions, known, problem)

    def _kept(self, ids: Sequence[str], min_versions: Sequence[int]) -> dict[str, LookedUp]:
        """The products for which the cache answers."""
        get, now_ms = self._cache.get, self._clock.wall_ms()
        oldest_s = self._clock.monotonic() - self._ttl_s
        found = {
            product: kept
            for product in dict.fromkeys(ids)
            # The wall clock may have been set back since: no answer is from the future.
            if (kept := get(product)) and not kept.is_behind and kept.as_of_s > oldest_s and kept.as_of_ms <= now_ms
        }
        for product, version in zip(ids, min_versions, strict=bool(min_versions)):
            if version:
                found.pop(product, None)
        return found

    def _ask(self, products: Sequence[str], known: dict[str, LookedUp], *, primary: bool) -> StoreError | None:
        """Read products from the store and add them to `known`; the error because of which some are not."""
        problem: StoreError | None = None
        for first in range(0, len(products), MAX_PRODUCTS):
            some = products[first : first + MAX_PRODUCTS]
            began_s, began_ms = self._clock.monotonic(), self._clock.wall_ms()
            try:
                stored, as_of_ms = self._gate.read(some, primary)
            except PartlyReadError as error:
                problem, as_of_ms = error, error.as_of_ms
                found = {product: each for product, each in zip(some, error.stored, strict=True) if each is not None}
                some, stored = list(found), list(found.values())
            except StoreError as error:
                return error
            # A replica answers for a time before it was asked.
            as_of_s = began_s - max(0, began_ms - as_of_ms) / 1_000
            looked_up = LookedUp.each(stored, as_of_ms, as_of_s)
            self._cache.keep(some, looked_up)
            known.update(zip(some, looked_up, strict=True))
            _FROM_STORE.inc(len(some))
        return problem

    def _without_store(
        self, ids: Sequence[str], min_versions: Sequence[int], known: dict[str, LookedUp], problem: StoreError
    ) -> list[LookedUp]:
        found = [
            known.get(product) or (None if version else self._degraded(product))
            for product, version in zip(ids, min_versions or repeat(0), strict=False)
        ]
        answered = [each for each in found if each is not None]
        _DEGRADED.inc(sum(each.is_degraded for each in answered))
        if len(answered) == len(ids):
            return answered
        if answered:
            raise PartlyFoundError(problem, found) from problem
        raise problem

    def _degraded(self, product: str) -> LookedUp | None:
        """What the cache has of a product while the store is away."""
        kept = self._cache.get(product)
        if kept is None or self._clock.monotonic() - kept.as_of_s > self._stale_s:
            return None
        return kept._replace(is_degraded=True, as_of_ms=min(kept.as_of_ms, self._clock.wall_ms()))
