"""The store as `hangtag verify` reads it: all of it, and nothing is written."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from hangtag.settings import RedisSettings
from hangtag.store.entry import Entry
from hangtag.store.exchange import Exchange, all_values, raise_refusal
from hangtag.store.keys import ALL_PRODUCTS, product_key, product_of
from hangtag.store.meta import READ_META, StoreState, read_meta
from hangtag.store.open import open_exchange
from hangtag.store.value import HEADER_BYTES, Origin, origin_of, unpack_entry

# Keys that the server looks at per SCAN: a few milliseconds, in which it answers nobody else.
_SCAN_COUNT = 2_000


def _nothing(_: int) -> None:
    pass


class StoreSurvey:
    """Reads entries and the ids of all products. One thread uses it; it connects with the first call.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._exchange = open_exchange(settings, connections=1)
        self._buckets = settings.buckets
        self.address = self._exchange.address

    def check(self) -> StoreState:
        """Compare format and bucket count with the settings; an empty store fits.

        Raises:
            StoreMismatchError: another format or bucket count, a node of a cluster, or the store denies access.
            StoreError: the store cannot be reached, or is not the primary.
        """
        (found,) = self._exchange.ask([READ_META])
        return read_meta(found, self._buckets, self.address)

    def read(self, product_ids: Sequence[str]) -> list[Entry | None]:
        """What the store holds of these products, in order; None: nothing.

        Raises:
            StoreError: the store did not answer.
        """
        if not product_ids:
            return []
        values = all_values(self._exchange.values([product_key(each, self._buckets) for each in product_ids]))
        return [unpack_entry(product_id, value) for product_id, value in zip(product_ids, values, strict=True)]

    def product_ids(self) -> Iterator[list[str]]:
        """The ids of all stored products, as they are found; one that is stored meanwhile may be left out.

        Raises:
            StoreError: the store did not answer.
        """
        for _, keys in self._keys():
            yield [product_id for key in keys if (product_id := product_of(key)) is not None]

    def origins(self, found: Callable[[int], None] = _nothing) -> Counter[Origin]:
        """How many products have tags of each bundle and sequence. Only the headers of values are read.

        `found` is called with the number of products so far. One that changes meanwhile may be counted twice or not.

        Raises:
            StoreError: the store did not answer.
        """
        counts: Counter[Origin] = Counter()
        for exchange, keys in self._keys():
            headers = exchange.ask([("GETRANGE", key, 0, HEADER_BYTES) for key in keys]) if keys else []
            # A key of another type, or one that is gone, has no tags.
            values = (header for header in headers if isinstance(header, bytes))
            counts.update(origin for value in values if (origin := origin_of(value)) is not None)
            found(counts.total())
        return counts

    def _keys(self) -> Iterator[tuple[Exchange, list[bytes]]]:
        """The keys of all products, each with the node that has them."""
        for primary in self._exchange.primaries():
            cursor: int | bytes = 0
            while True:
                replies = primary.ask([("SCAN", cursor, "MATCH", ALL_PRODUCTS, "COUNT", _SCAN_COUNT)])
                raise_refusal(replies, primary.address)
                cursor, keys = replies[0]
                yield primary, keys
                if int(cursor) == 0:
                    break

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()
