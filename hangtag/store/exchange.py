"""A round trip with the store, in which the server first proves that it is the one to ask.

After a failover the open connections still lead to the demoted server, which refuses writes and answers reads with old
values. So every round trip begins with `HELLO`, which says what the server is and needs no permission. If it is a
replica, a new pool takes the place of the connections, and the commands are sent once more over one that it opens. Idle
connections of the old pool would not do: others may still return some to it that lead to the demoted server.
"""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

from redis import BlockingConnectionPool, Redis
from redis.asyncio import BlockingConnectionPool as AsyncBlockingConnectionPool
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.exceptions import RedisError
from redis.retry import Retry

from hangtag.settings import RedisSettings
from hangtag.store.client import open_pool
from hangtag.store.errors import NotPrimaryError, address_of, is_elsewhere, mode_error, store_error

Command = tuple[Any, ...]

_HELLO: Command = ("HELLO",)
_REPLICA_ROLES = (b"slave", b"replica")
_REFUSED_MODES = (b"cluster", b"sentinel")


class Exchange:
    """Round trips of the blocking client; any thread may call. It connects with the first call.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read.
    """

    def __init__(self, settings: RedisSettings, connections: int) -> None:
        self.address = address_of(settings.url.get_secret_value())
        self._settings, self._connections = settings, connections
        self._redis = self._open()
        self._lock = threading.Lock()

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """One reply per command; a command that the store refused has its exception.

        Raises:
            StoreMismatchError: the server is a node of a cluster or a Sentinel, or denies access.
            StoreError: the store cannot be reached, or is not the primary.
        """
        redis = self._redis
        try:
            return self._ask(redis, commands)
        except RedisError as error:
            if not is_elsewhere(error):
                raise store_error(self.address, error) from error
            with self._lock:
                if redis is self._redis:
                    self._redis = self._open()
        finally:
            if redis is not self._redis:
                redis.connection_pool.disconnect(inuse_connections=False)
        try:
            return self._ask(self._redis, commands)
        except RedisError as error:
            raise store_error(self.address, error) from error

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
        self._redis.connection_pool.disconnect()

    def _open(self) -> Redis:
        return Redis(connection_pool=open_pool(BlockingConnectionPool, Retry, self._settings, self._connections))

    def _ask(self, redis: Redis, commands: Sequence[Command]) -> list[Any]:
        with redis.pipeline(transaction=False) as pipeline:
            for command in (_HELLO, *commands):
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            return _checked(pipeline.execute(raise_on_error=False), self.address)


class AsyncExchange:
    """Round trips of the asyncio client; one event loop may use it. No round trip takes longer than `limit_s`.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read.
    """

    def __init__(self, settings: RedisSettings, connections: int, limit_s: float) -> None:
        self.address = address_of(settings.url.get_secret_value())
        self._limit_s = limit_s
        self._settings, self._connections = settings, connections
        self._redis = self._open()

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """See `Exchange.ask`."""
        try:
            async with asyncio.timeout(self._limit_s):
                redis = self._redis
                try:
                    return await self._ask(redis, commands)
                except RedisError as error:
                    if not is_elsewhere(error):
                        raise
                    if redis is self._redis:
                        self._redis = self._open()
                finally:
                    if redis is not self._redis:
                        await redis.connection_pool.disconnect(inuse_connections=False)
                return await self._ask(self._redis, commands)
        except (RedisError, TimeoutError, OSError) as error:
            raise store_error(self.address, error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    def _open(self) -> AsyncRedis:
        pool = open_pool(AsyncBlockingConnectionPool, AsyncRetry, self._settings, self._connections)
        return AsyncRedis(connection_pool=pool)

    async def _ask(self, redis: AsyncRedis, commands: Sequence[Command]) -> list[Any]:
        async with redis.pipeline(transaction=False) as pipeline:
            for command in (_HELLO, *commands):
                pipeline.execute_command(*command)
            return _checked(await pipeline.execute(raise_on_error=False), self.address)


def raise_refusal(replies: Sequence[Any], address: str) -> None:
    """Raise the first exception among the replies as the error of the store that it is."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise store_error(address, reply) from reply


def _checked(replies: Sequence[Any], address: str) -> list[Any]:
    """The replies without that of `HELLO`, which must come from a primary that is no node of a cluster."""
    hello, *others = replies
    if isinstance(hello, Exception):
        raise hello
    if (mode := hello.get(b"mode")) in _REFUSED_MODES:
        raise mode_error(address, mode.decode())
    if hello.get(b"role") in _REPLICA_ROLES:
        msg = "its role is replica"
        raise NotPrimaryError(msg)
    for reply in others:
        if isinstance(reply, Exception) and is_elsewhere(reply):
            raise reply
    return others
