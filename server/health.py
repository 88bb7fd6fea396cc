"""The state of the store as gRPC health."""

import asyncio
from collections.abc import Sequence
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
    """Sets the status of the server as a whole and of the service. Made on the event loop that the servicer runs on.

    While the store is away, the server is NOT_SERVING. The service stays SERVING for `remembers_s`, in which it answers
    from what it read before: clients that leave a service which is NOT_SERVING would get nothing at all.
    """

    def __init__(self, servicer: HealthServicer, service: str, remembers_s: float) -> None:
        self._servicer = servicer
        self._service = service
        self._remembers_s = remembers_s
        self._loop = asyncio.get_running_loop()
        self._reported: bool | None = None
        self._setting: asyncio.Task[None] | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        # Of the service, for those who do not ask by gRPC.
        self.is_serving = False
        self.is_stopping = False

    def report(self, is_up: bool) -> None:
        """Whether the store can be read. Any thread may call, again and again: what did not get through is repeated."""
        if is_up is not self._reported:
            with suppress(RuntimeError):  # the event loop is closed, and with it the servicer
                self._loop.call_soon_threadsafe(self._begin, is_up)

    async def shut_down(self) -> None:
        """NOT_SERVING from now on."""
        self.is_serving, self.is_stopping = False, True
        with suppress(TimeoutError):
            async with asyncio.timeout(_REPORT_LIMIT_S):
                await self._servicer.enter_graceful_shutdown()

    def _begin(self, is_up: bool) -> None:
        if is_up is self._reported or (self._setting is not None and not self._setting.done()):
            return
        self._setting = self._loop.create_task(self._set(is_up))  # asyncio itself keeps no reference

    async def _set(self, is_up: bool) -> None:
        remembers = self._reported is True and not is_up and self._remembers_s > 0
        services = [health.OVERALL_HEALTH] if remembers else [health.OVERALL_HEALTH, self._service]
        if not await self._set_each(services, is_up=is_up):
            return
        self._reported = is_up
        if self._forgetting is not None:
            self._forgetting.cancel()
        if remembers:
            self._forgetting = self._loop.call_later(self._remembers_s, self._forget)

    def _forget(self) -> None:
        if self._reported is False:
            # Repeated as any report, should it not get through.
            self._reported = None
            self._begin(False)

    async def _set_each(self, services: Sequence[str], *, is_up: bool) -> bool:
        for service in services:
            if not await set_status(self._servicer, service, is_up=is_up):
                return False
            if service == self._service:
                self.is_serving = is_up and not self.is_stopping
        return True


async def set_status(servicer: HealthServicer, service: str, *, is_up: bool) -> bool:
    """Set the status of a service; False: it did not get through."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_REPORT_LIMIT_S):
            await servicer.set(service, _Status.SERVING if is_up else _Status.NOT_SERVING)
            return True
    return False
