"""The connection to the index process, which all searches share."""

import asyncio
from contextlib import suppress
from typing import Any

import grpc
from grpc import aio

from hangtag.server.errors import CallError, Reason
from hangtag.server.methods import path_of
from hangtag.server.search.link_security import credentials_of_link
from hangtag.settings import IndexLinkSettings, secret_file_variable_of
from hangtag.telemetry import get_log

NONE = "none"
# Of searches whose callers set no deadline.
_LIMIT_S = 10.0
# A restarted index is used again within a second.
_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # A process of its own connection, whatever else connects to this address in the process.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)
_RETRY_AFTER_S = 0.5
_AWAY = "searches are not answered now: the index cannot be reached or is not complete yet; retry with back-off"

_Code = grpc.StatusCode
_DENIED = (_Code.UNAUTHENTICATED, _Code.PERMISSION_DENIED)
_log = get_log(__name__)


class IndexLink:
    """Passes calls on to the index process. On the event loop; the first call connects.

    Raises:
        ServerError: the settings would send searches over a network unencrypted, or a file for TLS cannot be used.
    """

    def __init__(self, settings: IndexLinkSettings) -> None:
        self.address = settings.index_address
        self._credentials = None if self.address == NONE else credentials_of_link(settings)
        token = settings.index_token
        self._metadata = None if token is None else (("authorization", f"Bearer {token.get_secret_value()}"),)
        self._is_denied = False
        self._channel: aio.Channel | None = None
        self._calls: dict[str, Any] = {}

    async def call(self, method: str, request: bytes, left_s: float) -> bytes:
        """The index's reply to a serialised request. It is cancelled with the caller.

        Raises:
            CallError: UNAVAILABLE (INDEX_UNAVAILABLE), DEADLINE_EXCEEDED, or what the index answered.
        """
        if self.address == NONE:
            msg = "this server does not answer searches (server.index_address is none); ask another one"
            raise CallError(Reason.INDEX_UNAVAILABLE, msg)
        try:
            call = self._call_of(method)(request, timeout=min(left_s, _LIMIT_S), metadata=self._metadata)
            reply: bytes = await call
        except aio.AioRpcError as error:
            self._log_denial(error)
            raise _error_of(error, method) from None
        except aio.UsageError as error:
            raise CallError(Reason.SERVER_STOPPING, "this server is stopping; retry on another one") from error
        self._is_denied = False
        return reply

    def channel(self) -> aio.Channel:
        """The channel, which is opened by the first call."""
        if self._channel is None:
            if self._credentials is None:
                self._channel = aio.insecure_channel(self.address, options=_OPTIONS)
            else:
                self._channel = aio.secure_channel(self.address, self._credentials, options=_OPTIONS)
        return self._channel

    async def close(self) -> None:
        """Close the connection."""
        if self._channel is not None:
            with suppress(asyncio.CancelledError):
                await self._channel.close(None)

    def _log_denial(self, error: aio.AioRpcError) -> None:
        """Log once that the index does not know this server, until it does."""
        is_denied = error.code() in _DENIED
        if is_denied and not self._is_denied:
            name = secret_file_variable_of("server.index_token")
            next_step = f"set {name} to a file with a token of index.tokens_file that has the scope search"
            _log.error("the index denies this server", reason=error.details(), next=next_step)
        self._is_denied = is_denied

    def _call_of(self, method: str) -> Any:
        call = self._calls.get(method)
        if call is None:
            # Bytes in, bytes out: a reply is sent on without being parsed.
            self._calls[method] = call = self.channel().unary_unary(path_of(method), None, None)
        return call


def _error_of(error: aio.AioRpcError, method: str) -> CallError:
    code, details = error.code(), error.details() or ""
    if code is _Code.INVALID_ARGUMENT:
        return CallError(Reason.INVALID_REQUEST, details)
    if code is _Code.NOT_FOUND:
        return CallError(Reason.PRODUCT_UNKNOWN, details)
    if code is _Code.DEADLINE_EXCEEDED:
        return CallError(Reason.DEADLINE_PASSED, "the deadline passed before the index replied; allow more time")
    if code is _Code.RESOURCE_EXHAUSTED:
        return CallError(Reason.TOO_MANY_SEARCHES, "the index has too many searches; retry with back-off")
    if code in (_Code.UNAVAILABLE, _Code.UNIMPLEMENTED, _Code.CANCELLED, *_DENIED):
        return CallError(Reason.INDEX_UNAVAILABLE, _AWAY, _RETRY_AFTER_S)
    _log.error("the index failed", method=method, status=code.name, next="see the log of `hangtag index serve`")
    return CallError(Reason.INTERNAL_ERROR, "an error in the index; its log shows where")
