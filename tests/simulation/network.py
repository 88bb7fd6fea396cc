"""The way to the store, and what stands in for a connection of redis-py."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

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


class SimLink:
    """Stands in for `hangtag.store.link.Link`: one connection."""

    network: Network

    def __init__(self, _connector: object, _node: object) -> None:
        self._server: Server | None = None

    def close(self) -> None:
        """Nothing to close."""

    def round_trip(self, commands: Sequence[tuple[Any, ...]], deadline: float | None = None) -> list[Any]:  # noqa: ARG002 (in simulated time, replies are in time or lost)
        """One reply or exception per command. Others may run between two of them, as on a real server."""
        network, hub = self.network, self.network.hub
        actor, dice = hub.current, hub.current.dice
        _tell(network, commands)
        hub.pause(network.latency_s(dice))
        if actor.stage == "write" and actor.owner.has_bug:
            actor.owner.has_bug = False
            msg = "a bug"
            raise ValueError(msg)
        network.raise_if_away()
        server = self._server = self._server or network.primary
        if network.loses(dice):
            for command in commands[: dice.randrange(len(commands) + 1)]:
                server.run(command)
            hub.pause(0.5)
            msg = "Timeout reading from socket"
            raise RedisTimeoutError(msg)
        replies = []
        for command in commands:
            if replies and dice.random() < 0.05:
                hub.pause(0.0001)
            replies.append(server.run(command))
        if _SAME in replies:
            hub.reach("same")
        hub.pause(network.latency_s(dice))
        return replies


def _tell(network: Network, commands: Sequence[tuple[Any, ...]]) -> None:
    for name, *arguments in commands:
        if name == "EVALSHA" and arguments[0] == WRITE.sha:
            network.on_ask(arguments[2], arguments[4])
        elif name == "MGET":
            for key in arguments:
                network.on_ask(key, None)
