"""Keeps gRPC's health in step with the store."""

import asyncio
from contextlib import suppress
from typing import Protocol

from grpc_health.v1 import health, health_pb2

from hangtag.store import StoreError, StoreMismatchError
from hangtag.telemetry import Heartbeats, get_log, metrics

STORE_BEAT = "store"

_EVERY_S = 1.0
# A watcher that does not read its updates holds the servicer's lock.
_TELL_LIMIT_S = 1.0

_log = get_log(__name__)


class Checked(Protocol):
    """What is watched; `check` has a deadline of its own."""

    async def check(self) -> None:
        """Raise `StoreError` if the store cannot be used."""
        ...


class HealthServicer(Protocol):
    """gRPC's own servicer for asyncio, which its stubs leave out."""

    async def set(self, service: str, status: "health_pb2.HealthCheckResponse.ServingStatus.ValueType") -> None:
        """Tell a service's status to whoever asks or watches."""
        ...

    async def enter_graceful_shutdown(self) -> None:
        """NOT_SERVING for all services, for good."""
        ...


class StoreWatch:
    """Asks the store every second: SERVING while it answers, NOT_SERVING otherwise and once the server leaves."""

    def __init__(self, store: Checked, servicer: HealthServicer, beats: Heartbeats, service: str) -> None:
        self._store = store
        self._servicer = servicer
        self._beats = beats
        self._services = (health.OVERALL_HEALTH, service)
        self._told: bool | None = None

    async def start(self) -> None:
        """The first look: a store that does not answer may yet come up, one that does not fit will not.

        Raises:
            StoreMismatchError: the store and the settings do not fit.
        """
        error = await self._look()
        if isinstance(error, StoreMismatchError):
            raise error

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            await self._look()
            await asyncio.sleep(_EVERY_S)

    async def leave(self) -> None:
        """NOT_SERVING from now on."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_TELL_LIMIT_S):
                await self._servicer.enter_graceful_shutdown()

    async def _look(self) -> StoreError | None:
        try:
            await self._store.check()
        except StoreError as error:
            await self._tell(is_up=False, reason=str(error))
            return error
        self._beats.beat(STORE_BEAT)
        await self._tell(is_up=True, reason="")
        return None

    async def _tell(self, *, is_up: bool, reason: str) -> None:
        if is_up is self._told:
            return
        if is_up:
            _log.info("the store answers: SERVING")
        else:
            _log.warning("NOT_SERVING", reason=reason)
        metrics.STORE_UP.set(is_up)
        status = health_pb2.HealthCheckResponse
        with suppress(TimeoutError):
            async with asyncio.timeout(_TELL_LIMIT_S):
                for service in self._services:
                    await self._servicer.set(service, status.SERVING if is_up else status.NOT_SERVING)
                self._told = is_up
