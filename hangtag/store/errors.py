"""Errors of the store; each message says what to do."""

import re
import ssl
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

if TYPE_CHECKING:
    from hangtag.store.stored import Stored

_DENIED = (AuthenticationError, AuthorizationError, AuthenticationWrongNumberOfArgsError, NoPermissionError)
# Valkey and Redis from 7 on; Redis 6.2.
_DENIED_IN_SCRIPT = re.compile(r"NOPERM|ACL failure in script|can't run this command")
_REPLICA = (ReadOnlyError, MasterDownError)
_CLUSTER = (AskError, ClusterDownError)
_UNREADABLE = "an address that cannot be read"


class StoreError(Exception):
    """The store cannot be reached or answers wrongly. Trying again later may help."""


class StoreMismatchError(StoreError):
    """The store does not fit the settings. Trying again does not help; the message says what to set."""


class StoreDeniedError(StoreMismatchError):
    """The store refuses the user, the password, or a command or key that the user may not use."""


class PartlyReadError(StoreError):
    """Some nodes of a cluster do not answer, so that some of the products could not be read; the others could.

    `stored` has what is stored of each product, in their order, or None if its node is away. `as_of_ms` is a time by
    which all that was stored is in it, in ms since 1970, UTC.
    """

    def __init__(self, message: str, stored: "list[Stored | None]", as_of_ms: int) -> None:
        super().__init__(message)
        self.stored = stored
        self.as_of_ms = as_of_ms


class NotPrimaryError(ReadOnlyError):
    """The server that answered is a replica."""


def urls_of(url: str) -> list[str]:
    """The URLs of the servers in a Redis URL: it may list several, as `host:port`, comma-separated."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return [url]
    user, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return [url]
    return [parts._replace(netloc=f"{user}{at}{host.strip()}").geturl() for host in hosts.split(",")]


def address_of(url: str) -> str:
    """`host:port` (or the socket's path) of a Redis URL, without user, password or query; several comma-separated."""
    return ",".join(dict.fromkeys(map(_address_of, urls_of(url))))


def _address_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        return _UNREADABLE
    if parts.scheme == "unix":
        return parts.path
    return _UNREADABLE if is_cut(url) else f"{parts.hostname or 'localhost'}:{port}"


def is_cut(url: str) -> bool:
    """True if the user or the password contains a `/`, `?` or `#`: a URL's host ends there.

    What is in front of it then looks like a host and a port, and is part of the user or the password.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    return bool(parts.fragment) or (parts.scheme != "unix" and "@" in parts.path + parts.query)


def store_error(address: str, cause: Exception) -> StoreError:
    """The error to raise for an error of redis-py; the message is for whoever runs the program."""
    detail = str(cause) or type(cause).__name__
    _, error, what, advice = next(row for row in _DIAGNOSES if row[0](cause))
    return error(f"the store at {address} {what}: {detail}; {advice}")


def mode_error(address: str, mode: str) -> StoreMismatchError:
    """The error to raise for a server of another mode than the settings are for: a Sentinel, or a node of a cluster."""
    what = "is not a node of a cluster; set HANGTAG_REDIS__URL to one address, or to nodes of the same cluster"
    if mode == "cluster":
        what = "is a node of a cluster; list at least two of its nodes in HANGTAG_REDIS__URL, as redis://a:6379,b:6379"
    elif mode == "sentinel":
        what = "is a Sentinel; set HANGTAG_REDIS__URL to the primary that it watches"
    return StoreMismatchError(f"the store at {address} {what}")


def is_denied(error: BaseException) -> bool:
    """True if the store refuses the user or a command, also inside a script."""
    return isinstance(error, _DENIED) or (
        isinstance(error, ResponseError) and _DENIED_IN_SCRIPT.search(str(error)) is not None
    )


def is_wrong_type(error: BaseException) -> bool:
    """True if a key holds a value of another type than the command needs."""
    return "WRONGTYPE" in str(error)


def is_elsewhere(error: BaseException) -> bool:
    """True if another server may have taken over: a new connection may lead to it."""
    return isinstance(error, (*_REPLICA, *_CLUSTER, BusyLoadingError))


def unreadable_url() -> StoreMismatchError:
    """Raise it `from None`: the cause may quote the URL with its password."""
    msg = (
        "HANGTAG_REDIS__URL cannot be read; write redis://[user:password@]host:port/0, rediss:// or unix://, with "
        "`/` as %2F, `#` as %23, `?` as %3F and `@` as %40 in user and password"
    )
    return StoreMismatchError(msg)


def _is(*kinds: type[Exception]) -> Callable[[Exception], bool]:
    return lambda error: isinstance(error, kinds)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# The first row that applies counts: which errors, the error to raise, what is wrong, what to do.
_DIAGNOSES: tuple[tuple[Callable[[Exception], bool], type[StoreError], str, str], ...] = (
    (
        is_denied,
        StoreDeniedError,
        "denies access",
        "set the user in HANGTAG_REDIS__URL, or allow it the commands and keys that docs/operations.md lists",
    ),
    (_is(BusyLoadingError), StoreError, "is loading its data", "wait until it has started"),
    (
        _is(*_REPLICA),
        StoreError,
        "is a replica or has lost its primary",
        "after a failover wait for the new primary, else set HANGTAG_REDIS__URL to the primary",
    ),
    (
        _is(*_CLUSTER),
        StoreError,
        "does not serve all slots of its cluster",
        "wait until its nodes have agreed, else repair it: `CLUSTER INFO` says what is missing",
    ),
    (_is(TryAgainError), StoreError, "is moving keys to another node", "wait until they have moved"),
    (_is(OutOfMemoryError), StoreError, "is full", "raise its maxmemory"),
    (_is(ResponseError), StoreError, "refuses", "look into its log"),
    (
        lambda error: any(isinstance(each, ssl.SSLError) for each in _causes(error)),
        StoreError,
        "cannot be reached over TLS",
        "check HANGTAG_REDIS__CA_FILE, HANGTAG_REDIS__CERT_FILE and the host in HANGTAG_REDIS__URL",
    ),
    (lambda _: True, StoreError, "does not answer", "start it, or set HANGTAG_REDIS__URL"),
)
