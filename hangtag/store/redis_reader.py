"""The store as the server uses it: asyncio, one round trip for a look-up of many products."""

import asyncio
from collections.abc import Sequence
from typing import cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.exceptions import RedisError

from hangtag.settings import RedisSettings
from hangtag.store.client import open_pool
from hangtag.store.errors import StoreError, address_of, store_error
from hangtag.store.keys import META_KEY, product_key, seen_key
from hangtag.store.meta import META_FIELDS, StoreState, read_meta
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
        self.address = address_of(settings.url.get_secret_value())
        self._buckets = settings.buckets
        self._limit_s = 2 * settings.timeout_ms / 1000
        self._is_claimed = False
        pool = open_pool(BlockingConnectionPool, Retry, settings, _CONNECTIONS)
        self._redis = Redis(connection_pool=pool)

    async def check(self) -> StoreState:
        """Read what the store records about itself and compare it with the settings; an empty store fits.

        Raises:
            StoreMismatchError: another format or bucket count, or the store denies access.
            StoreError: the store cannot be reached.
        """
        try:
            async with asyncio.timeout(self._limit_s):
                found = cast("list[bytes | None]", await self._redis.hmget(META_KEY, list(META_FIELDS)))
        except (RedisError, TimeoutError, OSError) as error:
            raise store_error(self.address, error) from error
        self._is_claimed = False
        state = read_meta(found, self._buckets, self.address)
        self._is_claimed = state.is_claimed
        return state

    async def read(self, ids: Sequence[str]) -> list[Stored]:
        """What is stored of these products, in order, in one round trip.

        Raises:
            StoreMismatchError: another format or bucket count.
            StoreError: the store cannot be reached or answers wrongly.
        """
        if not ids:
            return []
        if not self._is_claimed:
            await self.check()
        keys = [product_key(product, self._buckets) for product in ids]
        keys += [seen_key(product, self._buckets) for product in ids]
        try:
            async with asyncio.timeout(self._limit_s):
                values = cast("list[bytes | None]", await self._redis.mget(keys))
        except (RedisError, TimeoutError, OSError) as error:
            raise store_error(self.address, error) from error
        if len(values) != len(keys):
            msg = f"the store at {self.address} answers {len(values)} values for {len(keys)} keys"
            raise StoreError(msg)
        return [unpack(value, seen) for value, seen in zip(values[: len(ids)], values[len(ids) :], strict=True)]

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()
