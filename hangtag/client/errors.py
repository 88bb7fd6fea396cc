"""What can go wrong, as exceptions: all of them are `HangtagError`."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import grpc

from hangtag.client.status import Details, details_of

_Code = grpc.StatusCode
_ATTRIBUTES = ("message", "status", "reason", "retry_after_s", "attempts", "metadata")


class HangtagError(Exception):
    """The base class of all errors of this package."""


class SettingError(HangtagError, ValueError):
    """A setting of the client or an argument of a call cannot be used; the message says which and what it must be."""


class UsageError(HangtagError, RuntimeError):
    """The client cannot be used here: it is closed, or belongs to another process or event loop."""


class CallError(HangtagError):
    """A call failed. The message has what the server said, and what to do next where the server did not say it.

    Attributes:
        message: what happened.
        status: name of the gRPC status, such as `UNAVAILABLE`.
        reason: the server's reason, such as `STORE_UNAVAILABLE`; None if the error did not come from the server itself.
        retry_after_s: after how many seconds the server would be asked again; None if it did not say.
        attempts: how often the call was sent.
        metadata: what the server tells programs beside the reason: of a filter that cannot be read, the `position` of
            the character, counted from 1.
        next_step: what to do.
    """

    next_step = "report it, with the lines of the server's log at that time"

    def __init__(
        self,
        message: str,
        *,
        status: str,
        reason: str | None = None,
        retry_after_s: float | None = None,
        attempts: int = 1,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.attempts = attempts
        self.metadata = dict(metadata or {})

    def __str__(self) -> str:
        # The server's own messages say what to do.
        return self.message if self.reason else f"{self.message}; next: {self.next_step}"

    def __reduce__(self) -> Any:
        return partial(type(self), **self._attributes()), ()

    def copy(self) -> "CallError":
        """The same error once more, for another caller who waited for the same call."""
        return type(self)(**self._attributes())

    def _attributes(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _ATTRIBUTES}


class InvalidRequestError(CallError):
    """The request is wrong: the message names the field and what it must be. A retry does not help."""

    next_step = "correct the request; a retry does not help"


class UnauthenticatedError(CallError):
    """The server does not know who calls: no token, or one that is unknown, revoked or expired."""

    next_step = "give the client a valid token (token=...); `hangtag token` on the server's side makes one"


class PermissionDeniedError(CallError):
    """The token does not allow this call."""

    next_step = "ask for a token with the scope that the message names"


class NotFoundError(CallError):
    """There is no such thing. Look-ups never raise it: an unknown product has the freshness UNKNOWN."""

    next_step = "check the id"


class UnsupportedError(CallError):
    """The server does not have this call: it is older than the client, or another program."""

    next_step = "check the address, and update the server"


class OverloadedError(CallError):
    """The server, or the quota of the token, has no room for this call. The client has retried as often as it may."""

    next_step = "send less at a time, or retry after `retry_after_s`"


class UnavailableError(CallError):
    """No server answered: none can be reached, or the one that was asked is stopping or has lost its store."""

    next_step = "check that the server runs at this address, and whether it wants TLS (tls=True)"


class DeadlineError(CallError, TimeoutError):
    """The call's time passed before there was an answer."""

    next_step = "allow more time (timeout_s=...), or hedge slow servers (hedge_after_s=...)"


class ServerFaultError(CallError):
    """An error in the server, or an answer that no gRPC server gives. The server's log shows more."""


_KINDS: dict[grpc.StatusCode, type[CallError]] = {
    _Code.INVALID_ARGUMENT: InvalidRequestError,
    _Code.UNAUTHENTICATED: UnauthenticatedError,
    _Code.PERMISSION_DENIED: PermissionDeniedError,
    _Code.NOT_FOUND: NotFoundError,
    _Code.UNIMPLEMENTED: UnsupportedError,
    _Code.RESOURCE_EXHAUSTED: OverloadedError,
    _Code.UNAVAILABLE: UnavailableError,
    _Code.DEADLINE_EXCEEDED: DeadlineError,
}


def error_of(error: Any, address: str, attempts: int) -> CallError:
    """The exception for an error of gRPC."""
    code = error.code()
    details: Details = details_of(error.trailing_metadata())
    tries = "" if attempts == 1 else f", attempt {attempts}"
    reason = f", {details.reason}" if details.reason else ""
    return _KINDS.get(code, ServerFaultError)(
        f"{error.details() or 'no message'} ({code.name}{reason}; {address}{tries})",
        status=code.name,
        reason=details.reason,
        retry_after_s=details.retry_after_s,
        attempts=attempts,
        metadata=details.metadata,
    )


def no_answer(timeout_s: float) -> DeadlineError:
    """The error of a call that this side stopped waiting for."""
    return DeadlineError(f"no answer within {timeout_s:g} s", status=_Code.DEADLINE_EXCEEDED.name)


def no_time_left() -> DeadlineError:
    """The error of a call whose time was over before all of its parts were sent."""
    msg = "the time of the call was over before all of it was sent"
    return DeadlineError(msg, status=_Code.DEADLINE_EXCEEDED.name, attempts=0)


def closed_meanwhile() -> UsageError:
    """The error of a call that was running when its client was closed."""
    msg = "the client was closed while the call was running"
    return UsageError(msg)
