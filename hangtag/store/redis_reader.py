"""The store as the server uses it: asyncio, one round trip for a look-up of many products."""

from collections.abc import Sequence

from hangtag.settings import RedisSettings
from hangtag.store.errors import StoreError
from hangtag.store.exchange import AsyncExchange, raise_refusal
from hangtag.store.keys import product_key, seen_key
from hangtag.store.meta import READ_META, StoreState, read_meta
from hangtag.store.stored import Stored
from hangtag.store.value import unpack

_CONNECTIONS = 8


class RedisTagReader:
    """Reads from Redis or Valkey and never writes. One event loop may use it; it connects with the first call.

    No call takes longer than twice `timeout_ms`.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self._buckets = settings.buckets
        self._is_claimed = False
        self._exchange = AsyncExchange(settings, _CONNECTIONS, 2 * settings.timeout_ms / 1000)
        self.address = self._exchange.address

    async def check(self) -> StoreState:
        """Read what the store records about itself and compare it with the settings; an empty store fits.

        Raises:
            StoreMismatchError: another format or bucket count, a node of a cluster, or the store denies access.
            StoreError: the store cannot be reached, or is not the primary.
        """
        self._is_claimed = False
        (found,) = await self._exchange.ask([READ_META])
        state = read_meta(found, self._buckets, self.address)
        self._is_claimed = state.is_claimed
        return state

    async def read(self, ids: Sequence[str]) -> list[Stored]:
        """What is stored of these products, in order, in one round trip.

        Raises:
            StoreMismatchError: as in `check`.
            StoreError: the store cannot be reached, is not the primary, or answers wrongly.
        """
        if not ids:
            return []
        if not self._is_claimed:
            await self.check()
        keys = [product_key(product, self._buckets) for product in ids]
        keys += [seen_key(product, self._buckets) for product in ids]
        # A key of another type counts as none: a writer replaces it.
        replies = await self._exchange.ask([("MGET", *keys)])
        raise_refusal(replies, self.address)
        (values,) = replies
        if len(values) != len(keys):
            msg = f"the store at {self.address} answers {len(values)} values for {len(keys)} keys"
            raise StoreError(msg)
        return [unpack(value, seen) for value, seen in zip(values[: len(ids)], values[len(ids) :], strict=True)]

    async def close(self) -> None:
        """Close the connections."""
        await self._exchange.close()
