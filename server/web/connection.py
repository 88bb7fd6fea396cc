"""A connection over HTTP, closed if its client is silent, slow, or does not read its replies."""

import asyncio
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from hangtag.telemetry import metrics

# Of one process. Each may hold a request and a reply, and needs an open file.
MAX_CONNECTIONS = 1_000
# From the first byte of a request, or the start of the connection, to the last byte of the request.
REQUEST_LIMIT_S = 20.0
# A reply none of which was read for that long.
UNREAD_LIMIT_S = 40.0


class Connection(H11Protocol):
    """HTTP/1.1 with limits of time. uvicorn itself has none for the time that a request takes to arrive."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        # The application gets it as `scope["state"]["connection"]`.
        super().__init__(config, server_state, {**app_state, "connection": self}, _loop)
        self.opened_s = self.loop.time()
        self._reading_since_s: float | None = self.opened_s
        self._unsent = 0
        self._sent_s = self.opened_s

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        metrics.HTTP_CONNECTIONS.inc()
        if len(self.connections) > MAX_CONNECTIONS:
            self._close("full")

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        metrics.HTTP_CONNECTIONS.dec()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        self._note()

    def on_response_complete(self) -> None:
        """A reply is written; the next request has its own time."""
        self._reading_since_s = None
        super().on_response_complete()
        self._note()

    def check(self, now_s: float) -> None:
        """Close the connection if its client is too slow; `now_s` is the time of the event loop."""
        if self.transport is None:
            return
        if self._reading_since_s is not None and now_s - self._reading_since_s > REQUEST_LIMIT_S:
            self._close("slow_request")
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent < self._unsent:
            self._sent_s = now_s
        elif now_s - self._sent_s > UNREAD_LIMIT_S:
            self._close("unread_reply")
        self._unsent = unsent

    def _note(self) -> None:
        """Notice whether a request is on its way."""
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering and not self.cycle.more_body:
            self._reading_since_s = None
        elif self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            # Between requests uvicorn closes it by itself (`timeout_keep_alive`).
            self._reading_since_s = None
        elif self._reading_since_s is None:
            self._reading_since_s = self.loop.time()

    def _close(self, reason: str) -> None:
        metrics.HTTP_CLOSED.labels(reason).inc()
        self.transport.abort()
