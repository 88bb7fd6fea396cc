"""One connection to one server of the store.

It uses redis-py's connections without its clients and pipelines, which would cost more than the commands of a look-up.
"""

import time
from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hangtag.store.client import Connector, Node

Command = tuple[Any, ...]

_MOMENT_S = 0.01


class Link:
    """Round trips over one connection, which the first of them opens. One thread at a time uses it.

    After an error, close it: what comes next over the connection is unknown. Every method but `close` raises
    `RedisError` if the server cannot be reached or does not answer in time. No wait for it is longer than the timeout
    of a command, nor lasts past `deadline`, a time of `time.monotonic`.
    """

    def __init__(self, connector: Connector, node: Node | None) -> None:
        self._connection: Any = connector.connection(node)  # whose methods redis-py does not type
        self._timeout_s = connector.timeout_s

    @property
    def is_open(self) -> bool:
        """True after the first round trip, also if the server has gone since."""
        return bool(self._connection.is_connected)

    def round_trip(self, commands: Sequence[Command], deadline: float | None = None) -> list[Any]:
        """One reply per command, in order; a command that the server refused has its exception."""
        self.send(commands, deadline)
        return self.receive(len(commands), deadline)

    def send(self, commands: Sequence[Command], deadline: float | None = None) -> None:
        """Send commands; `receive` their replies next."""
        connection = self._connection
        try:
            if not self.is_open:
                connection.socket_connect_timeout = connection.socket_timeout = left_s(self._timeout_s, deadline)
                connection.connect()
            connection.send_packed_command([b"".join(map(pack_command, commands))], check_health=False)
        except OSError as error:
            raise RedisConnectionError(str(error)) from error

    def receive(self, count: int, deadline: float | None = None) -> list[Any]:
        """The replies to `count` commands."""
        return [self._reply(deadline) for _ in range(count)]

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()

    def _reply(self, deadline: float | None) -> Any:
        try:
            return self._connection.read_response(timeout=left_s(self._timeout_s, deadline))
        except ResponseError as error:
            return error.with_traceback(None)
        except OSError as error:
            raise RedisConnectionError(str(error)) from error


def grace(deadline: float) -> float:
    """The deadline, or a moment from now: enough to read what the server has sent already."""
    return max(deadline, time.monotonic() + _MOMENT_S)


def left_s(timeout_s: float, deadline: float | None) -> float:
    """How long to wait for something that may take `timeout_s`, and for no longer than until the deadline.

    Raises:
        RedisError: the deadline is over.
    """
    if deadline is None:
        return timeout_s
    left = min(timeout_s, deadline - time.monotonic())
    if left <= 0:
        msg = "Timeout"
        raise RedisTimeoutError(msg)
    return left
