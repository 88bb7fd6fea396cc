"""The client for asyncio."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from grpc import aio

from hangtag.client.async_hedge import send_hedged
from hangtag.client.base import BaseClient
from hangtag.client.errors import CallError, UsageError, closed_meanwhile, no_answer
from hangtag.client.found import Found, Profile, Question, SimilarProduct
from hangtag.client.gathering import LANES, Wanted, failed, take
from hangtag.client.query import EVERYTHING, NO_BOOSTS, Query
from hangtag.client.requests import TagFilter
from hangtag.client.results import ProductTags, Suggestion, TextKind
from hangtag.client.steps import Join, Pause, Send, Steps
from hangtag.client.tag_list import TagList

_Result = TypeVar("_Result")


class AsyncClient(BaseClient):
    """Looks up tags, with the methods of `Client`. All tasks of one event loop may use one client.

    Use it in an `async with` block, or close it. gRPC allows one event loop in a process.
    """

    _module = aio

    async def get(
        self,
        product_id: str,
        *,
        min_version: int = 0,
        max_age_ms: float | None = None,
        tag_filter: TagFilter | None = None,
        timeout_s: float | None = None,
    ) -> ProductTags:
        """As `Client.get`."""
        return await self._run(self._flow.get(product_id, min_version, max_age_ms, tag_filter, timeout_s))

    async def get_many(
        self,
        product_ids: Sequence[str],
        *,
        min_versions: Sequence[int] = (),
        max_age_ms: float | None = None,
        tag_filter: TagFilter | None = None,
        timeout_s: float | None = None,
    ) -> Sequence[ProductTags]:
        """As `Client.get_many`."""
        return await self._run(self._flow.get_many(product_ids, min_versions, max_age_ms, tag_filter, timeout_s))

    async def wait_for(
        self, product_id: str, version: int, *, tag_filter: TagFilter | None = None, timeout_s: float = 30
    ) -> ProductTags:
        """As `Client.wait_for`."""
        return await self._run(self._flow.wait_for(product_id, version, tag_filter, timeout_s))

    async def suggest(
        self,
        text: str,
        *,
        description: str = "",
        merchant_category: str = "",
        kind: TextKind | None = None,
        tag_filter: TagFilter | None = None,
        timeout_s: float | None = None,
    ) -> Suggestion:
        """As `Client.suggest`."""
        return await self._run(self._flow.suggest(text, description, merchant_category, kind, tag_filter, timeout_s))

    async def suggest_many(
        self,
        texts: Sequence[str],
        *,
        kind: TextKind | None = None,
        tag_filter: TagFilter | None = None,
        timeout_s: float | None = None,
    ) -> list[Suggestion]:
        """As `Client.suggest_many`."""
        return await self._run(self._flow.suggest_many(texts, kind, tag_filter, timeout_s))

    async def find(
        self,
        text: str = "",
        *,
        tag_filter: str = "",
        query: Query = EVERYTHING,
        base: Query = EVERYTHING,
        boosts: Mapping[str, float] = NO_BOOSTS,
        counts: Sequence[str] = (),
        max_values: int = 0,
        page_size: int = 0,
        page_token: str = "",
        timeout_s: float | None = None,
    ) -> Found:
        """As `Client.find`."""
        time_s = self._flow.timeout(timeout_s)
        return await self._run(
            self._flow.searches.find(
                text, tag_filter, query, base, boosts, counts, max_values, page_size, page_token, time_s
            )
        )

    async def tags(self, facets: Sequence[str] = (), *, timeout_s: float | None = None) -> TagList:
        """As `Client.tags`."""
        return await self._run(self._flow.searches.tags(facets, self._flow.timeout(timeout_s)))

    async def clarify(
        self,
        text: str = "",
        *,
        query: Query = EVERYTHING,
        base: Query = EVERYTHING,
        asked_facets: Sequence[str] = (),
        facets: Sequence[str] = (),
        max_values: int = 0,
        language: str = "",
        timeout_s: float | None = None,
    ) -> Question:
        """As `Client.clarify`."""
        time_s = self._flow.timeout(timeout_s)
        return await self._run(
            self._flow.searches.clarify(text, query, base, asked_facets, facets, max_values, language, time_s)
        )

    async def similar(
        self, product_id: str, *, base: Query = EVERYTHING, page_size: int = 0, timeout_s: float | None = None
    ) -> list[SimilarProduct]:
        """As `Client.similar`."""
        time_s = self._flow.timeout(timeout_s)
        return await self._run(self._flow.searches.similar(product_id, base, page_size, time_s))

    async def profile(
        self,
        product_ids: Sequence[str],
        *,
        max_tags: int = 0,
        without_facets: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> Profile:
        """As `Client.profile`."""
        time_s = self._flow.timeout(timeout_s)
        return await self._run(self._flow.searches.profile(product_ids, max_tags, without_facets, time_s))

    async def close(self) -> None:
        """Close the connections. Calls that are running end with `UsageError`."""
        self._is_closed = True
        failed(self._waiting, closed_meanwhile())
        self._waiting.clear()
        await asyncio.gather(*self._flow.close())
        await asyncio.gather(*self._lanes, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _set_up(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[Wanted] = deque()
        # asyncio itself keeps no reference to a task.
        self._lanes: set[asyncio.Task[None]] = set()

    def _check(self) -> None:
        super()._check()
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            msg = "the client was used on another event loop; make one inside of each asyncio.run(...)"
            raise UsageError(msg)

    async def _run(self, steps: Steps[_Result]) -> _Result:
        self._check()
        try:
            step = next(steps)
            while True:
                try:
                    outcome = await (self._send(step) if isinstance(step, Send) else self._pass_time(step))
                except (grpc.RpcError, CallError) as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(outcome)
        except StopIteration as end:
            result: _Result = end.value
            return result

    async def _pass_time(self, step: Pause | Join) -> Any:
        if isinstance(step, Join):
            return await self._join(step)
        await asyncio.sleep(step.seconds)
        if self._is_closed:
            raise closed_meanwhile()
        return None

    async def _send(self, send: Send) -> Any:
        try:
            if send.other is not None and self._options.hedge_after_s is not None:
                return await send_hedged(send, self._options.hedge_after_s)
            method = send.server.methods[send.method]
            return await method(send.request, timeout=send.timeout_s, metadata=send.metadata)
        except (grpc.RpcError, aio.UsageError, asyncio.CancelledError) as error:
            # A channel that is closed cancels its calls, and with them whoever waits for them.
            task = asyncio.current_task()
            if self._is_closed and not (task is not None and task.cancelling()):
                raise closed_meanwhile() from error
            raise

    async def _join(self, join: Join) -> Any:
        assert self._loop is not None  # of `_check`
        wanted = Wanted(join.request, join.deadline, self._loop.create_future())
        self._waiting.append(wanted)
        if len(self._waiting) == 1:
            # After this turn of the event loop, whose other calls are asked for together with this one.
            self._loop.call_soon(self._ask)
        try:
            async with asyncio.timeout(join.timeout_s):
                return await wanted.future
        except CallError:
            raise
        except TimeoutError:
            raise no_answer(join.timeout_s) from None

    def _ask(self) -> None:
        while self._waiting and len(self._lanes) < LANES:
            if wanted := take(self._waiting):
                lane = asyncio.create_task(self._ask_for(wanted))
                self._lanes.add(lane)
                lane.add_done_callback(self._asked)

    def _asked(self, lane: "asyncio.Task[None]") -> None:
        self._lanes.discard(lane)
        self._ask()

    async def _ask_for(self, wanted: Sequence[Wanted]) -> None:
        try:
            await self._run(self._flow.together(wanted))
        except BaseException as error:
            failed(wanted, error)
            if not isinstance(error, Exception):
                raise
