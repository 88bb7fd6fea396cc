"""One connection to one server of the store.

It uses redis-py's connections without its clients and pipelines, which would cost more than the commands of a look-up.
"""

import time
from collections.abc import Sequence
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hangtag.store.client import Connector

Command = tuple[Any, ...]


class Link:
    """Round trips over one connection, which the first of them opens. One thread at a time uses it.

    After an error, close it: what comes next over the connection is unknown.
    """

    def __init__(self, connector: Connector) -> None:
        self._connection: Any = connector.connection()  # whose methods redis-py does not type
        self._timeout_s = connector.timeout_s

    def round_trip(self, commands: Sequence[Command], deadline: float | None = None) -> list[Any]:
        """One reply per command, in order; a command that the server refused has its exception.

        No wait for the server is longer than the timeout of a command, nor lasts past `deadline`, a time of
        `time.monotonic`.

        Raises:
            RedisError: the server cannot be reached, or did not answer in time.
        """
        connection = self._connection
        try:
            if not connection.is_connected:
                connection.socket_connect_timeout = connection.socket_timeout = self._left_s(deadline)
                connection.connect()
            pack = connection.pack_command
            parts = [part for command in commands for part in pack(*command)]
            connection.send_packed_command([b"".join(parts)], check_health=False)
            return [self._reply(deadline) for _ in commands]
        except OSError as error:
            raise RedisConnectionError(str(error)) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()

    def _reply(self, deadline: float | None) -> Any:
        try:
            return self._connection.read_response(timeout=self._left_s(deadline))
        except ResponseError as error:
            return error.with_traceback(None)

    def _left_s(self, deadline: float | None) -> float:
        if deadline is None:
            return self._timeout_s
        left_s = min(self._timeout_s, deadline - time.monotonic())
        if left_s <= 0:
            msg = "Timeout"
            raise RedisTimeoutError(msg)
        return left_s
