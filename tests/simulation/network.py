"""The way to the store, and clients that stand in for redis-py."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, Self

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hangtag.store.scripts import WRITE
from tests.simulation.hub import Hub
from tests.simulation.store import Server

# The reply of the script to a value that the store holds already.
_SAME = 2


class Network:
    """The way to the store: which server new connections lead to, and what happens to round trips until when.

    `on_ask` is called with each key that a writer reads, and with key and value of each write.
    """

    def __init__(self, hub: Hub, server: Server, on_ask: Callable[[str, bytes | None], None]) -> None:
        self.hub = hub
        self.on_ask = on_ask
        self.primary = server
        self.slow_until = self.lossy_until = self.away_until = 0.0

    def fail_over(self, lacking: int) -> None:
        """A replica takes over that lacks the last so many writes; open connections still lead to the old primary."""
        old, self.primary = self.primary, self.primary.replica(lacking)
        old.is_replica = True

    def latency_s(self, dice: random.Random) -> float:
        """Time of one way of a round trip."""
        if self.hub.now < self.slow_until:
            return dice.choice((0.02, 0.3, 1.2))
        return dice.choice((0.0, 0.0002, 0.001, 0.01))

    def raise_if_away(self) -> None:
        """Raises ConnectionError while no server can be reached."""
        if self.hub.now < self.away_until:
            msg = "Connection refused."
            raise RedisConnectionError(msg)

    def loses(self, dice: random.Random) -> bool:
        """True if something of this round trip gets lost."""
        return self.hub.now < self.lossy_until and dice.random() < 0.5


class SimPool:
    """Stands in for a connection pool."""

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Nothing to close."""


class SimClient:
    """Stands in for `redis.Redis` as far as `Exchange` uses it: pipelines over one connection."""

    network: Network

    def __init__(self, connection_pool: SimPool) -> None:
        self.connection_pool = connection_pool
        self.server: Server | None = None

    def close(self) -> None:
        """Nothing to close."""

    def pipeline(self, transaction: bool) -> SimPipeline:
        """A list of commands that are sent together."""
        assert not transaction
        return SimPipeline(self)


class SimPipeline:
    """Commands on their way. Others may run between two of them, as on a real server."""

    def __init__(self, client: SimClient) -> None:
        self._client = client
        self._commands: list[tuple[Any, ...]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._commands.clear()

    def execute_command(self, *command: Any) -> None:
        """Queue a command."""
        self._commands.append(command)

    def execute(self, raise_on_error: bool) -> list[Any]:
        """Send what is queued; one reply or exception per command."""
        assert not raise_on_error
        client = self._client
        network, hub = client.network, client.network.hub
        actor, dice = hub.current, hub.current.dice
        self._tell(network)
        hub.pause(network.latency_s(dice))
        if actor.stage == "write" and actor.owner.has_bug:
            actor.owner.has_bug = False
            msg = "a bug"
            raise ValueError(msg)
        network.raise_if_away()
        server = client.server = client.server or network.primary
        if network.loses(dice):
            for command in self._commands[: dice.randrange(len(self._commands) + 1)]:
                server.run(command)
            hub.pause(0.5)
            client.server = None
            msg = "Timeout reading from socket"
            raise RedisTimeoutError(msg)
        replies = []
        for command in self._commands:
            if replies and dice.random() < 0.05:
                hub.pause(0.0001)
            replies.append(server.run(command))
        if _SAME in replies:
            hub.reach("same")
        hub.pause(network.latency_s(dice))
        return replies

    def _tell(self, network: Network) -> None:
        for name, *arguments in self._commands:
            if name == "EVALSHA" and arguments[0] == WRITE.sha:
                network.on_ask(arguments[2], arguments[4])
            elif name == "MGET":
                for key in arguments:
                    network.on_ask(key, None)


class SimAsyncClient:
    """Stands in for `redis.asyncio.Redis` as far as `AsyncExchange` uses it."""

    network: Network
    dice: random.Random

    def __init__(self, connection_pool: SimAsyncPool) -> None:
        self.connection_pool = connection_pool
        self.server: Server | None = None

    async def aclose(self) -> None:
        """Nothing to close."""

    def pipeline(self, transaction: bool) -> SimAsyncPipeline:
        """A list of commands that are sent together."""
        assert not transaction
        return SimAsyncPipeline(self)


class SimAsyncPool:
    """Stands in for a connection pool."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Nothing to close."""


class SimAsyncPipeline:
    """As `SimPipeline`, for the server's event loop."""

    def __init__(self, client: SimAsyncClient) -> None:
        self._client = client
        self._commands: list[tuple[Any, ...]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._commands.clear()

    def execute_command(self, *command: Any) -> None:
        """Queue a command."""
        self._commands.append(command)

    async def execute(self, raise_on_error: bool) -> list[Any]:
        """See `SimPipeline.execute`."""
        assert not raise_on_error
        client, network, dice = self._client, self._client.network, self._client.dice
        await asyncio.sleep(network.latency_s(dice))
        network.raise_if_away()
        server = client.server = client.server or network.primary
        if network.loses(dice):
            await asyncio.sleep(0.5)
            client.server = None
            msg = "Timeout reading from socket"
            raise RedisTimeoutError(msg)
        replies = [server.run(command) for command in self._commands]
        await asyncio.sleep(network.latency_s(dice))
        return replies
