"""The connections to one server of the store, for all threads of a program."""

import queue
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import TimeoutError as RedisTimeoutError

from hangtag.store.client import Connector, Node
from hangtag.store.link import Command, Link, left_s


class Links:
    """At most `most` connections to a node, or without one to the server of the URL. Any thread may call.

    What is taken must be given back: with `put` after a complete round trip, else with `drop`.
    """

    def __init__(self, connector: Connector, node: Node | None, most: int) -> None:
        self.address = "" if node is None else str(node)
        self._connector, self._node = connector, node
        # One token for each connection that is not taken. Queue and deque are atomic.
        self._free: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(most):
            self._free.put(None)
        self._idle: deque[Link] = deque()
        self._is_closed = False

    def round_trip(self, commands: Sequence[Command], deadline: float | None, *, new: bool = False) -> list[Any]:
        """`Link.round_trip` over a connection that is taken for it.

        Raises:
            RedisError: as `Link.round_trip`, or all connections are in use.
        """
        link = self.take(deadline, new=new)
        try:
            replies = link.round_trip(commands, deadline)
        except BaseException:
            self.drop(link)
            raise
        self.put(link)
        return replies

    def take(self, deadline: float | None = None, *, new: bool = False) -> Link:
        """A connection: an open one if there is one, unless it must be `new`. Waits for it as long as for a reply.

        Raises:
            RedisError: all connections are in use.
        """
        try:
            self._free.get(timeout=left_s(self._connector.timeout_s, deadline))
        except queue.Empty:
            msg = "all connections are in use"
            raise RedisTimeoutError(msg) from None
        with suppress(IndexError):
            link = self._idle.pop()
            if not new:
                return link
            link.close()  # the new one takes its place
        return Link(self._connector, self._node)

    def put(self, link: Link) -> None:
        """Give a connection back that can be used again."""
        self._idle.append(link)
        if self._is_closed:
            self.close_idle()
        self._free.put(None)

    def drop(self, link: Link) -> None:
        """Give a connection back that cannot be used again."""
        link.close()
        self._free.put(None)

    def close_idle(self) -> None:
        """Close the connections that nobody uses at the moment."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def close(self) -> None:
        """Close the connections: those in use once they are given back."""
        self._is_closed = True
        self.close_idle()
