"""Wraps every handler: limit of concurrent calls, deadline, errors as gRPC statuses, metrics."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from hangtag.server.errors import CallError, place_of, stack_of
from hangtag.store import StoreError
from hangtag.telemetry import get_log, metrics
from hangtag.telemetry.clock import Clock

Handler = Callable[[Any], Awaitable[bytes]]
Context = aio.ServicerContext[Any, Any]

_log = get_log(__name__)


class Calls:
    """Runs at most `max_concurrent` calls at a time and converts errors of handlers to gRPC statuses."""

    def __init__(self, clock: Clock, max_concurrent: int) -> None:
        self._clock = clock
        self._max_concurrent = max_concurrent
        self._active = 0

    def wrap(self, method: str, handler: Handler) -> Callable[[Any, Context], Awaitable[bytes]]:
        """The handler in the form that gRPC calls; `method` is its name in metrics."""
        seconds = metrics.CALL_SECONDS.labels(method)

        async def call(request: Any, context: Context) -> bytes:
            started = self._clock.monotonic()
            code = grpc.StatusCode.OK
            self._active += 1
            try:
                return await self._admit(handler, request, context)
            except CallError as error:
                code = error.code
                await context.abort(error.code, error.message)
            except asyncio.CancelledError:
                late = _is_late(context)
                code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
                raise
            finally:
                self._active -= 1
                seconds.observe(self._clock.monotonic() - started)
                metrics.CALLS.labels(method, code.name).inc()

        return call

    async def _admit(self, handler: Handler, request: Any, context: Context) -> bytes:
        if self._active > self._max_concurrent:
            message = f"{self._max_concurrent} calls are in progress, the maximum; retry with back-off"
            raise CallError(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        if _is_late(context):
            raise CallError(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the server read the call")
        try:
            return await handler(request)
        except CallError:
            raise
        except StoreError as error:
            # For the operator only; StoreWatch logs it once.
            _log.debug("the store cannot be read", reason=str(error))
            message = "the tag store cannot be read; retry with back-off (the reason is in the server's log)"
            raise CallError(grpc.StatusCode.UNAVAILABLE, message) from error
        except Exception as error:
            _log.error("a call failed", error=place_of(error), stack=stack_of(error))
            message = "an error in the server; its log shows where"
            raise CallError(grpc.StatusCode.INTERNAL, message) from error


def _is_late(context: Context) -> bool:
    # None without a deadline, which the type stubs do not say.
    left: float | None = context.time_remaining()
    return left is not None and left <= 0
