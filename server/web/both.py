"""Both ways in: a transport that speaks gRPC, and HTTP beside it."""

import asyncio
from collections.abc import Sequence

from hangtag.server.calls import Calls
from hangtag.server.future_sink import FutureSink
from hangtag.server.look_up import LookUp
from hangtag.server.lookups import Answer
from hangtag.server.transport import Transport
from hangtag.server.web.transport import HttpTransport


class BothTransports:
    """A `Transport` of two."""

    def __init__(self, grpc: Transport, http: HttpTransport, calls: Calls) -> None:
        self._grpc = grpc
        self._http = http
        self._futures = FutureSink(calls)
        self.name = grpc.name
        self.port = grpc.port
        self.http_port: int | None = http.port
        self.pace_s = grpc.pace_s

    async def start(self) -> None:
        """See `Transport`."""
        await self._grpc.start()
        await self._http.start()

    @property
    def unsent(self) -> int:
        """See `Transport`."""
        return self._grpc.unsent + self._http.unsent

    async def stop(self) -> None:
        """See `Transport`."""
        await asyncio.gather(self._grpc.stop(), self._http.stop())

    def deliver(self, look_ups: Sequence[LookUp], answers: Sequence[Answer]) -> None:
        """See `Sink`: calls over HTTP wait on a future, those of the native transport do not."""
        over_http = [isinstance(each.call, asyncio.Future) for each in look_ups]
        if all(over_http):
            self._futures.deliver(look_ups, answers)
        elif not any(over_http):
            self._grpc.deliver(look_ups, answers)
        else:
            for sink, wanted in ((self._futures, True), (self._grpc, False)):
                places = [place for place, is_http in enumerate(over_http) if is_http is wanted]
                sink.deliver([look_ups[place] for place in places], [answers[place] for place in places])
