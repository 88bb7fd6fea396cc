"""Wraps every handler: admission, parsing of the request, deadline, errors as gRPC statuses, metrics."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from grpc import aio

from hangtag.server.admission import CALLS, IDS, Limit, RefusalLog, RefusedError, Unread
from hangtag.server.errors import CallError, place_of, stack_of
from hangtag.store import StoreError
from hangtag.telemetry import get_log, metrics
from hangtag.telemetry.clock import Clock

Context = aio.ServicerContext[Any, Any]

# Of one request. The largest valid one (1,000 ids of 256 bytes) takes 259 kB. Below the transport's own limit, which
# answers with a status that clients retry.
MAX_REQUEST_BYTES = 1024 * 1024
_STOPPED = "the server stops"

_log = get_log(__name__)


def _no_ids(_: Any) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the service: its request, its handler, and how many ids of a request count against the limit."""

    name: str
    request: type[Message]
    handler: Callable[[Any], Awaitable[bytes]]
    ids: Callable[[Any], int] = _no_ids


class Calls:
    """Runs calls up to the limits of calls and ids, and converts errors of handlers to gRPC statuses."""

    def __init__(self, clock: Clock, max_concurrent: int, max_ids: int) -> None:
        self._clock = clock
        self._calls = Limit(max_concurrent, "calls", CALLS)
        self._ids = Limit(max_ids, "ids", IDS)
        self._unread = Unread()
        self._refusals = RefusalLog()
        self._running: set[asyncio.Task[Any]] = set()
        self._unanswered = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._is_stopped = False

    def wrap(self, method: Method) -> Callable[[bytes, Context], Awaitable[bytes]]:
        """The method in the form that gRPC calls, with the serialised request."""
        seconds = metrics.CALL_SECONDS.labels(method.name)

        async def call(raw: bytes, context: Context) -> bytes:
            self._enter(context)
            started = self._clock.monotonic()
            code = grpc.StatusCode.OK
            metrics.CALLS_IN_FLIGHT.inc()
            try:
                reply = await self._admit(method, raw, context)
            except RefusedError as error:
                code = error.code
                self._refusals.count(method.name, error.refusal)
                await context.abort(error.code, error.message)
            except CallError as error:
                code = error.code
                await context.abort(error.code, error.message)
            except asyncio.CancelledError:
                late = _is_late(context)
                code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
                raise
            finally:
                metrics.CALLS_IN_FLIGHT.dec()
                seconds.observe(self._clock.monotonic() - started)
                metrics.CALLS.labels(method.name, code.name).inc()
            return reply

        return call

    async def wait_idle(self, limit_s: float) -> bool:
        """Wait until every call is answered and its reply is sent; returns False if that takes longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._is_idle.wait()
        return self._is_idle.is_set()

    def refuse_new(self) -> None:
        """End all calls that still arrive with UNAVAILABLE."""
        self._is_stopped = True

    def end_running(self) -> None:
        """End running calls, and all that still arrive, with UNAVAILABLE."""
        self._is_stopped = True
        for task in self._running:
            task.cancel(_STOPPED)

    def _enter(self, context: Context) -> None:
        self._unanswered += 1
        self._is_idle.clear()
        # Called once the reply is sent, or its connection is closed. The stubs lack the argument.
        context.add_done_callback(self._left)  # type: ignore[arg-type]

    def _left(self, _: Context) -> None:
        self._unanswered -= 1
        if not self._unanswered:
            self._is_idle.set()

    async def _admit(self, method: Method, raw: bytes, context: Context) -> bytes:
        if self._is_stopped:
            raise _stopped()
        connection = context.peer()
        self._unread.check(connection)
        with self._calls.during(1):
            if _is_late(context):
                late = "the deadline passed before the server read the call"
                raise CallError(grpc.StatusCode.DEADLINE_EXCEEDED, late)
            request = _parsed(method, raw)
            with self._ids.during(method.ids(request)):
                reply = await self._run(method, request)
        self._unread.add(connection, len(reply))
        context.add_done_callback(lambda _: self._unread.remove(connection, len(reply)))  # type: ignore[arg-type]
        return reply

    async def _run(self, method: Method, request: Any) -> bytes:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            return await method.handler(request)
        except CallError:
            raise
        except asyncio.CancelledError as error:
            if error.args != (_STOPPED,):
                raise
            task.uncancel()
            raise _stopped() from error
        except StoreError as error:
            # For the operator only; StoreWatch logs it once.
            _log.debug("the store cannot be read", reason=str(error))
            message = "the tag store cannot be read; retry with back-off (the reason is in the server's log)"
            raise CallError(grpc.StatusCode.UNAVAILABLE, message) from error
        except Exception as error:
            _log.error("a call failed", error=place_of(error), stack=stack_of(error))
            message = "an error in the server; its log shows where"
            raise CallError(grpc.StatusCode.INTERNAL, message) from error
        finally:
            self._running.discard(task)


def _parsed(method: Method, raw: bytes) -> Message:
    if len(raw) > MAX_REQUEST_BYTES:
        message = f"the request has {len(raw)} bytes, the maximum is {MAX_REQUEST_BYTES}; split it over several calls"
        raise CallError(grpc.StatusCode.INVALID_ARGUMENT, message)
    try:
        return method.request.FromString(raw)
    except DecodeError as error:
        message = (
            f"the request is not a {method.request.DESCRIPTOR.full_name} message, or a string in it is not UTF-8; "
            "generate the client from the service's .proto file"
        )
        raise CallError(grpc.StatusCode.INVALID_ARGUMENT, message) from error


def _is_late(context: Context) -> bool:
    # None without a deadline, which the type stubs do not say.
    left: float | None = context.time_remaining()
    return left is not None and left <= 0


def _stopped() -> CallError:
    return CallError(grpc.StatusCode.UNAVAILABLE, "this server is stopping; retry on another one")
