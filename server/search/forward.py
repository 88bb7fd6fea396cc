"""Passing requests on to the index, up to the limit of work at a time."""

from google.protobuf.message import Message

from hangtag.server.admission import SEARCHES, Limit
from hangtag.server.search.link import IndexLink
from hangtag.telemetry.clock import Clock


class Forward:
    """Has the index answer requests; at most `max_work` at a time."""

    def __init__(self, link: IndexLink, max_work: int, clock: Clock) -> None:
        self._link = link
        self._limit = Limit(max_work, "searches and counted facets", SEARCHES)
        self._clock = clock

    async def __call__(self, method: str, request: Message, work: int, deadline_s: float) -> bytes:
        """The index's reply.

        Raises:
            RefusedError: too much is being searched.
            CallError: as `IndexLink.call`.
        """
        with self._limit.during(work):
            return await self._link.call(method, request.SerializeToString(), deadline_s - self._clock.monotonic())
