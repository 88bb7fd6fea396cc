"""Errors of the store; each message says what to do."""

from urllib.parse import urlsplit

from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ResponseError,
)

_DENIED = (AuthenticationError, AuthorizationError, AuthenticationWrongNumberOfArgsError, NoPermissionError)


class StoreError(Exception):
    """The store cannot be reached or answers wrongly. Trying again later may help."""


class StoreMismatchError(StoreError):
    """The store does not fit the settings. Trying again does not help; the message says what to set."""


def address_of(url: str) -> str:
    """`host:port` (or the socket's path) of a Redis URL, without user, password or query."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        return "an address that cannot be read"
    return parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{port}"


def store_error(address: str, cause: Exception) -> StoreError:
    """The error to raise for an error of redis-py; the message is for whoever runs the program."""
    detail = str(cause) or type(cause).__name__
    if isinstance(cause, _DENIED):
        return StoreMismatchError(f"the store at {address} denies access: {detail}; set the user in HANGTAG_REDIS__URL")
    if isinstance(cause, MovedError):
        msg = f"the store at {address} is one node of a cluster; set HANGTAG_REDIS__URL to a single server"
        return StoreMismatchError(msg)
    if isinstance(cause, OutOfMemoryError):
        return StoreError(f"the store at {address} is full: {detail}; raise its maxmemory, or give it more memory")
    if isinstance(cause, ResponseError):
        return StoreError(f"the store at {address} refuses: {detail}; look into its log")
    return StoreError(f"the store at {address} does not answer: {detail}; start it, or set HANGTAG_REDIS__URL")


def unreadable_url() -> StoreMismatchError:
    """Raise it `from None`: the cause may quote the URL with its password."""
    msg = "HANGTAG_REDIS__URL cannot be read; write redis://[user:password@]host:port/0, rediss:// or unix://"
    return StoreMismatchError(msg)
