"""Reports the state of the store as gRPC health."""

import asyncio
from contextlib import suppress
from typing import Protocol

from grpc_health.v1 import health, health_pb2

from hangtag.store import LossReport, StoreError, StoreMismatchError, StoreState
from hangtag.telemetry import Heartbeats, Part, get_log, metrics

STORE_HEARTBEAT = "store"

_EVERY_S = 1.0
# A client that watches health without reading the updates can hold the servicer's lock.
_REPORT_LIMIT_S = 1.0

_log = get_log(__name__)


class Checked(Protocol):
    """The store to watch."""

    address: str

    def check(self) -> StoreState:
        """What the store records about itself. Raises `StoreError` if it cannot be used; has a deadline of its own."""
        ...


class HealthServicer(Protocol):
    """gRPC's own health servicer for asyncio, which its type stubs lack."""

    async def set(self, service: str, status: "health_pb2.HealthCheckResponse.ServingStatus.ValueType") -> None:
        """Set the status of a service."""
        ...

    async def enter_graceful_shutdown(self) -> None:
        """Set all services to NOT_SERVING for the rest of the process."""
        ...


class StoreWatch:
    """Checks the store every second: SERVING while it can be read, else NOT_SERVING, also while the server stops."""

    def __init__(self, store: Checked, servicer: HealthServicer, beats: Heartbeats, service: str) -> None:
        self._store = store
        self._servicer = servicer
        self._beats = beats
        self._services = (health.OVERALL_HEALTH, service)
        self._reported: bool | None = None
        self._problem: StoreError | None = None
        self._loss = LossReport(store.address)

    async def start(self) -> None:
        """Check the store for the first time. A store that is not reachable yet is accepted.

        Raises:
            StoreMismatchError: the store does not match the settings.
        """
        error = await self._check()
        if isinstance(error, StoreMismatchError):
            raise error

    async def run(self) -> None:
        """Check the store every second, until cancelled."""
        while True:
            await self._check()
            await asyncio.sleep(_EVERY_S)

    def details(self) -> dict[str, object]:
        """For /healthz; any thread may call."""
        return {"store": self._loss.detail(self._problem)}

    def part(self) -> Part:
        """For /readyz; any thread may call."""
        problem = self._problem
        return Part("store", problem is None, "the store can be read" if problem is None else str(problem))

    async def shut_down(self) -> None:
        """Report NOT_SERVING from now on."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_REPORT_LIMIT_S):
                await self._servicer.enter_graceful_shutdown()

    async def _check(self) -> StoreError | None:
        try:
            state = await asyncio.to_thread(self._store.check)
        except StoreError as error:
            await self._report(error)
            return error
        self._beats.beat(STORE_HEARTBEAT)
        await self._report(None)
        self._loss.take(state)
        return None

    async def _report(self, problem: StoreError | None) -> None:
        before, self._problem = self._problem, problem
        # A denied permission after a lost connection is another problem, and is logged too.
        if problem is not None and type(problem) is not type(before):
            _log.warning("NOT_SERVING", reason=str(problem))
        is_up = problem is None
        if is_up is self._reported:
            return
        if is_up:
            _log.info("the store can be read: SERVING")
        metrics.STORE_UP.set(is_up)
        status = health_pb2.HealthCheckResponse
        with suppress(TimeoutError):
            async with asyncio.timeout(_REPORT_LIMIT_S):
                for service in self._services:
                    await self._servicer.set(service, status.SERVING if is_up else status.NOT_SERVING)
                self._reported = is_up
