"""Whether the index answers, as the health of searches."""

import asyncio
from collections.abc import Awaitable, Callable

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hangtag.server.methods import SERVICE
from hangtag.server.search.link import NONE, IndexLink
from hangtag.telemetry import get_log, metrics

_AGAIN_S = 1.0
_SERVING = health_pb2.HealthCheckResponse.SERVING

_log = get_log(__name__)


class IndexWatch:
    """Watches the health of the index, and reports each change."""

    def __init__(self, link: IndexLink, report: Callable[[bool], Awaitable[bool]]) -> None:
        self._link = link
        self._report = report
        # None: it was not asked yet.
        self._is_up: bool | None = None
        self._reason = "it is not complete"

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._tell(is_up=False)
        metrics.INDEX_UP.set(0)
        if self._link.address == NONE:
            await asyncio.Event().wait()
        stub = health_pb2_grpc.HealthStub(self._link.channel())
        while True:
            try:
                # The index is watched, not asked: a change is known at once.
                async for change in stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE)):
                    await self._set(change.status == _SERVING)
            except aio.AioRpcError as error:
                self._reason = error.details() or error.code().name
            await self._set(False)
            await asyncio.sleep(_AGAIN_S)

    async def _set(self, is_up: bool) -> None:
        if is_up is self._is_up:
            return
        self._is_up = is_up
        metrics.INDEX_UP.set(is_up)
        if is_up:
            _log.info("the index answers", address=self._link.address)
        else:
            next_step = "see `hangtag index serve`"
            _log.warning("the index does not answer", address=self._link.address, reason=self._reason, next=next_step)
        await self._tell(is_up=is_up)

    async def _tell(self, *, is_up: bool) -> None:
        # It may not get through while a client holds the health service up.
        while not await self._report(is_up):
            pass
