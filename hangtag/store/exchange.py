"""A round trip with the store, in which the server first proves that it is the one to ask.

After a failover the open connections still lead to the demoted server, which refuses writes and answers reads with old
values. So every round trip begins with `HELLO`, which says what the server is and needs no permission. If it is a
replica, no connection that is open is used again, and the commands are sent once more over a new one.
"""

import queue
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hangtag.settings import RedisSettings
from hangtag.store.client import Connector
from hangtag.store.errors import NotPrimaryError, address_of, is_denied, is_elsewhere, mode_error, store_error
from hangtag.store.link import Command, Link

_HELLO: Command = ("HELLO",)
_REPLICA_ROLES = (b"slave", b"replica")
_REFUSED_MODES = (b"cluster", b"sentinel")


class Exchange:
    """Round trips over at most `connections` connections; any thread may call. It connects with the first call.

    A call waits for a free connection as long as for the reply to a command. With `limit_s`, no call takes longer.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read.
        SettingsError: the settings for TLS cannot be used.
    """

    def __init__(self, settings: RedisSettings, connections: int, limit_s: float | None = None) -> None:
        self.address = address_of(settings.url.get_secret_value())
        self._connector = Connector(settings)
        self._limit_s = limit_s
        # One token for each connection that is not in use.
        self._free: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(connections):
            self._free.put(None)
        self._idle: deque[Link] = deque()
        self._is_closed = False

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """One reply per command; a command that the store refused has its exception. It may be sent twice.

        Raises:
            StoreMismatchError: the server is a node of a cluster or a Sentinel, or denies access.
            StoreError: the store cannot be reached, or is not the primary.
        """
        deadline = None if self._limit_s is None else time.monotonic() + self._limit_s
        try:
            self._free.get(timeout=self._connector.timeout_s)
        except queue.Empty:
            waited = RedisTimeoutError("all connections are in use")
            raise store_error(self.address, waited) from None
        try:
            return self._ask(commands, deadline)
        except RedisError as error:
            raise store_error(self.address, error) from error
        finally:
            self._free.put(None)

    def close(self) -> None:
        """Close the connections: those in use once their round trip has ended."""
        self._is_closed = True
        self._close_idle()

    def _ask(self, commands: Sequence[Command], deadline: float | None) -> list[Any]:
        try:
            link = self._idle.pop()
        except IndexError:
            link = Link(self._connector)
        try:
            return self._ask_over(link, commands, deadline)
        except RedisError as error:
            # The server may have restarted, or another one may have taken over.
            if is_denied(error) or not (isinstance(error, RedisConnectionError) or is_elsewhere(error)):
                raise
        self._close_idle()
        return self._ask_over(Link(self._connector), commands, deadline)

    def _ask_over(self, link: Link, commands: Sequence[Command], deadline: float | None) -> list[Any]:
        try:
            replies = _checked(link.round_trip((_HELLO, *commands), deadline), self.address)
        except BaseException:
            link.close()
            raise
        self._idle.append(link)
        if self._is_closed:
            self._close_idle()
        return replies

    def _close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


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
