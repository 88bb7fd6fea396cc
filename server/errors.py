"""Errors of a call, and of the server as a whole."""

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo  # type: ignore[import-untyped] # has no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped] # has no stubs

from hangtag.telemetry.places import place_of, stack_of

__all__ = ["DETAILS_KEY", "CallError", "Reason", "ServerError", "place_of", "stack_of"]

# The `domain` of `google.rpc.ErrorInfo`.
DOMAIN = "hangtag"
# The metadata in which gRPC libraries look for `google.rpc.Status`.
DETAILS_KEY = "grpc-status-details-bin"
# What a caller is told to wait before the next attempt, where nothing better is known.
_RETRY_AFTER_S = 0.05

_Code = grpc.StatusCode


class ServerError(RuntimeError):
    """The server cannot start or go on; the message names the setting to change."""


class Reason(Enum):
    """Why a call ends with an error: the `reason` of `google.rpc.ErrorInfo`, and the status that goes with it.

    Names are part of the contract (docs/contracts.md): they are never renamed.
    """

    INVALID_REQUEST = "INVALID_REQUEST", _Code.INVALID_ARGUMENT
    INVALID_FILTER = "INVALID_FILTER", _Code.INVALID_ARGUMENT
    MALFORMED_REQUEST = "MALFORMED_REQUEST", _Code.INVALID_ARGUMENT
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE", _Code.INVALID_ARGUMENT
    METHOD_UNKNOWN = "METHOD_UNKNOWN", _Code.UNIMPLEMENTED
    TOKEN_MISSING = "TOKEN_MISSING", _Code.UNAUTHENTICATED
    TOKEN_UNKNOWN = "TOKEN_UNKNOWN", _Code.UNAUTHENTICATED
    TOKEN_EXPIRED = "TOKEN_EXPIRED", _Code.UNAUTHENTICATED
    SCOPE_MISSING = "SCOPE_MISSING", _Code.PERMISSION_DENIED
    PRODUCT_UNKNOWN = "PRODUCT_UNKNOWN", _Code.NOT_FOUND
    PRODUCT_REFUSED = "PRODUCT_REFUSED", _Code.NOT_FOUND
    DEADLINE_PASSED = "DEADLINE_PASSED", _Code.DEADLINE_EXCEEDED
    DEADLINE_TOO_SHORT = "DEADLINE_TOO_SHORT", _Code.RESOURCE_EXHAUSTED
    CLIENT_QUOTA = "CLIENT_QUOTA", _Code.RESOURCE_EXHAUSTED
    TOO_MANY_CALLS = "TOO_MANY_CALLS", _Code.RESOURCE_EXHAUSTED
    TOO_MANY_IDS = "TOO_MANY_IDS", _Code.RESOURCE_EXHAUSTED
    TOO_MANY_WAITS = "TOO_MANY_WAITS", _Code.RESOURCE_EXHAUSTED
    TOO_MANY_TEXTS = "TOO_MANY_TEXTS", _Code.RESOURCE_EXHAUSTED
    TOO_MANY_SEARCHES = "TOO_MANY_SEARCHES", _Code.RESOURCE_EXHAUSTED
    UNREAD_REPLIES = "UNREAD_REPLIES", _Code.RESOURCE_EXHAUSTED
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE", _Code.UNAVAILABLE
    INDEX_UNAVAILABLE = "INDEX_UNAVAILABLE", _Code.UNAVAILABLE
    MODEL_UNAVAILABLE = "MODEL_UNAVAILABLE", _Code.UNAVAILABLE
    SERVER_STOPPING = "SERVER_STOPPING", _Code.UNAVAILABLE
    TEXT_NOT_TAGGED = "TEXT_NOT_TAGGED", _Code.INTERNAL
    INTERNAL_ERROR = "INTERNAL_ERROR", _Code.INTERNAL

    def __init__(self, label: str, code: grpc.StatusCode) -> None:
        self.label = label
        self.code = code


_RETRIED = (_Code.RESOURCE_EXHAUSTED, _Code.UNAVAILABLE)


class CallError(Exception):
    """Ends a call with a status. The message is for the caller and says what to do.

    `retry_after_s` is when the call could succeed, for RESOURCE_EXHAUSTED and UNAVAILABLE; None: not known. `metadata`
    is what programs need to know beside the reason.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        retry_after_s: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s
        self.metadata = metadata or {}

    @property
    def code(self) -> grpc.StatusCode:
        """The gRPC status."""
        return self.reason.code

    def details(self) -> bytes:
        """The error as a serialised `google.rpc.Status` with `ErrorInfo`, and `RetryInfo` where a retry makes sense."""
        status = Status(code=self.code.value[0], message=self.message)
        retry_ms = 0
        if self.code in _RETRIED:
            retry_ms = max(1, round((self.retry_after_s or _RETRY_AFTER_S) * 1_000))
        # Protobuf merges messages whose bytes follow each other.
        head: bytes = status.SerializeToString()
        return head + _details(self.reason, retry_ms, tuple(self.metadata.items()))


@lru_cache(maxsize=256)
def _details(reason: Reason, retry_ms: int, metadata: tuple[tuple[str, str], ...]) -> bytes:
    status = Status()
    info = ErrorInfo(reason=reason.label, domain=DOMAIN, metadata=dict(metadata))
    status.details.add().Pack(info, deterministic=True)
    if retry_ms:
        delay = Duration()
        delay.FromMilliseconds(retry_ms)
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    serialised: bytes = status.SerializeToString()
    return serialised
