"""Around every handler: admission, deadline, errors as statuses, metrics."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from hangtag.server.errors import CallError, place_of
from hangtag.store import StoreError
from hangtag.telemetry import get_log, metrics
from hangtag.telemetry.clock import Clock

Handler = Callable[[Any], Awaitable[bytes]]
Context = aio.ServicerContext[Any, Any]

_log = get_log(__name__)


class Calls:
    """Lets at most `max_concurrent` calls in and turns what handlers raise into gRPC statuses."""

    def __init__(self, clock: Clock, max_concurrent: int) -> None:
        self._clock = clock
        self._max_concurrent = max_concurrent
        self._under_way = 0

    def wrap(self, method: str, handler: Handler) -> Callable[[Any, Context], Awaitable[bytes]]:
        """The handler as gRPC calls it; `method` names it in metrics."""
        seconds = metrics.CALL_SECONDS.labels(method)

        async def call(request: Any, context: Context) -> bytes:
            started = self._clock.monotonic()
            code = grpc.StatusCode.OK
            self._under_way += 1
            try:
                return await self._admitted(handler, request, context)
            except CallError as error:
                code = error.code
                await context.abort(error.code, error.message)
            except asyncio.CancelledError:
                late = _is_late(context)
                code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
                raise
            finally:
                self._under_way -= 1
                seconds.observe(self._clock.monotonic() - started)
                metrics.CALLS.labels(method, code.name).inc()

        return call

    async def _admitted(self, handler: Handler, request: Any, context: Context) -> bytes:
        if self._under_way > self._max_concurrent:
            message = f"{self._max_concurrent} calls are under way; try again with back-off"
            raise CallError(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        if _is_late(context):
            raise CallError(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the call was read")
        try:
            return await handler(request)
        except CallError:
            raise
        except StoreError as error:
            # The operator's business; the log of the store's watch says it once.
            _log.debug("the store cannot be read", reason=str(error))
            message = "the tag store cannot be read; try again with back-off (the server's log says why)"
            raise CallError(grpc.StatusCode.UNAVAILABLE, message) from error
        except Exception as error:
            _log.error("a call failed", error=place_of(error))
            raise CallError(grpc.StatusCode.INTERNAL, "the server failed; its log says where") from error


def _is_late(context: Context) -> bool:
    # None without a deadline, whatever the stubs say.
    left: float | None = context.time_remaining()
    return left is not None and left <= 0
