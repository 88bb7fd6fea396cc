"""The state of the store as gRPC health."""

import asyncio
from contextlib import suppress
from typing import Protocol

from grpc_health.v1 import health, health_pb2

# A client that watches health without reading the updates can hold the servicer's lock.
_REPORT_LIMIT_S = 1.0

_Status = health_pb2.HealthCheckResponse


class HealthServicer(Protocol):
    """gRPC's own health servicer for asyncio, which its type stubs lack."""

    async def set(self, service: str, status: "health_pb2.HealthCheckResponse.ServingStatus.ValueType") -> None:
        """Set the status of a service."""
        ...

    async def enter_graceful_shutdown(self) -> None:
        """Set all services to NOT_SERVING for the rest of the process."""
        ...


class Health:
    """Sets the status of the service and of the server as a whole. Made on the event loop that the servicer runs on."""

    def __init__(self, servicer: HealthServicer, service: str) -> None:
        self._servicer = servicer
        self._services = (health.OVERALL_HEALTH, service)
        self._loop = asyncio.get_running_loop()
        self._reported: bool | None = None
        self._setting: asyncio.Task[None] | None = None

    def report(self, is_up: bool) -> None:
        """SERVING or NOT_SERVING. Any thread may call, again and again: what did not get through is repeated."""
        if is_up is not self._reported:
            with suppress(RuntimeError):  # the event loop is closed, and with it the servicer
                self._loop.call_soon_threadsafe(self._begin, is_up)

    async def shut_down(self) -> None:
        """NOT_SERVING from now on."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_REPORT_LIMIT_S):
                await self._servicer.enter_graceful_shutdown()

    def _begin(self, is_up: bool) -> None:
        self._setting = self._loop.create_task(self._set(is_up))  # asyncio itself keeps no reference

    async def _set(self, is_up: bool) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_REPORT_LIMIT_S):
                for service in self._services:
                    await self._servicer.set(service, _Status.SERVING if is_up else _Status.NOT_SERVING)
                self._reported = is_up
