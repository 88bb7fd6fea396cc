"""A round trip with the store, in which the server first proves that it is the one to ask.

After a failover the open connections still lead to the demoted server, which refuses writes and answers reads with old
values. So every round trip begins with `HELLO`, which says what the server is and needs no permission. If it is a
replica, no connection that is open is used again, and the commands are sent once more over a new one.
"""

import time
from collections.abc import Sequence
from typing import Any, Protocol

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from hangtag.store.errors import NotPrimaryError, StoreError, is_denied, is_elsewhere, mode_error, store_error
from hangtag.store.link import Command
from hangtag.store.links import Links

HELLO: Command = ("HELLO",)
STANDALONE, CLUSTER = "standalone", "cluster"
_MODES = (STANDALONE, CLUSTER, "sentinel")
_REPLICA_ROLES = (b"slave", b"replica")

# Of a key: None if there is none, an error if the server that has it is away.
Value = bytes | StoreError | None


class Exchange(Protocol):
    """Round trips with a store: one server, or a cluster of several. Any thread may call.

    Every method but `close` raises `StoreMismatchError` if the server is of another mode than the settings say or
    denies access, and `StoreError` if the store cannot be reached or is not the primary.
    """

    address: str
    is_cluster: bool
    """True if parts of the store may be away, or lose their data, without the others."""

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """One reply per command; a command that the store refused has its exception. It may be sent twice.

        Commands with keys of one bucket are run in their order.
        """
        ...

    def ask_all(self, command: Command) -> list[Any]:
        """The reply of each primary to a command without a key."""
        ...

    def values(self, keys: Sequence[str]) -> list[Value]:
        """The strings under these keys, in order. If all servers are away, the error is raised."""
        ...

    def primaries(self) -> list["Exchange"]:
        """One exchange for each primary, to be asked for what it alone holds."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class SingleExchange:
    """An `Exchange` with one server. With `limit_s`, no call takes longer."""

    is_cluster = False

    def __init__(self, links: Links, address: str, limit_s: float | None, mode: str = STANDALONE) -> None:
        self.address = address
        self._links, self._limit_s, self._mode = links, limit_s, mode

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """See `Exchange`."""
        deadline = None if self._limit_s is None else time.monotonic() + self._limit_s
        try:
            try:
                return self._ask(commands, deadline, new=False)
            except RedisError as error:
                # The server may have restarted, or another one may have taken over.
                if is_denied(error) or not (isinstance(error, RedisConnectionError) or is_elsewhere(error)):
                    raise
            self._links.close_idle()
            return self._ask(commands, deadline, new=True)
        except RedisError as error:
            raise store_error(self.address, error) from error

    def ask_all(self, command: Command) -> list[Any]:
        """See `Exchange`."""
        return self.ask([command])

    def values(self, keys: Sequence[str]) -> list[Value]:
        """See `Exchange`; no value is an error, since there is one server."""
        replies = self.ask([("MGET", *keys)])
        raise_refusal(replies, self.address)
        values: list[Value] = replies[0]
        if len(values) != len(keys):
            msg = f"the store at {self.address} answers {len(values)} values for {len(keys)} keys"
            raise StoreError(msg)
        return values

    def primaries(self) -> list[Exchange]:
        """See `Exchange`."""
        return [self]

    def close(self) -> None:
        """See `Exchange`."""
        self._links.close()

    def _ask(self, commands: Sequence[Command], deadline: float | None, *, new: bool) -> list[Any]:
        hello, *replies = self._links.round_trip((HELLO, *commands), deadline, new=new)
        prove(hello, self._mode, self.address)
        for reply in replies:
            if isinstance(reply, Exception) and is_elsewhere(reply):
                raise reply
        return replies


def prove(hello: Any, mode: str, address: str) -> None:
    """Check by the reply to `HELLO` that the server is a primary of this mode.

    Raises:
        RedisError: it is a replica, or refuses to answer.
        StoreMismatchError: it is of another mode.
    """
    prove_mode(hello, mode, address)
    if hello.get(b"role") in _REPLICA_ROLES:
        msg = "its role is replica"
        raise NotPrimaryError(msg)


def prove_mode(hello: Any, mode: str, address: str) -> None:
    """Check by the reply to `HELLO` that the server is of this mode, primary or not; errors as in `prove`."""
    if isinstance(hello, Exception):
        raise hello
    # Servers that only speak the protocol may have modes of their own.
    found = hello.get(b"mode", b"").decode()
    if found != mode and (found in _MODES or mode == CLUSTER):
        raise mode_error(address, found)


def all_values(values: Sequence[Value]) -> list[bytes | None]:
    """The values, if none of them is an error; else the first error is raised."""
    for value in values:
        if isinstance(value, StoreError):
            raise value
    return values  # type: ignore[return-value]


def raise_refusal(replies: Sequence[Any], address: str) -> None:
    """Raise the first exception among the replies as the error of the store that it is."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise store_error(address, reply) from reply
