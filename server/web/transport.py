"""The server for HTTP: uvicorn with Hangtag's connections and calls."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.middleware.cors import CORSMiddleware

from hangtag.server.calls import Calls
from hangtag.server.health import Health
from hangtag.server.listener import CONNECTION_AGE_S, MAX_METADATA_BYTES
from hangtag.server.methods import Methods, path_of
from hangtag.server.sockets import bound_socket
from hangtag.server.web.app import HttpApp, UnreadReplies
from hangtag.server.web.connection import Connection
from hangtag.server.web.service import Service
from hangtag.server.web.tls import HttpTls
from hangtag.settings import ServerSettings

# Between two requests; longer than the 60 s after which most load balancers close idle connections themselves.
_IDLE_S = 75
_BACKLOG = 1_024
_STOP_LIMIT_S = 5
_CHECK_EVERY_S = 1.0
# What pages of other origins may send and read, beside what browsers always allow.
_SENT_HEADERS = ("authorization", "connect-protocol-version", "connect-timeout-ms", "grpc-timeout", "x-grpc-web")
_READ_HEADERS = ("grpc-status", "grpc-message", "grpc-status-details-bin")


class HttpTransport:
    """Serves on `server.http_port`, which is bound at once. `on_failure` is called with an error that ended it.

    Raises:
        ServerError: it cannot listen on the address.
    """

    def __init__(
        self,
        settings: ServerSettings,
        methods: Methods,
        health: Health,
        calls: Calls,
        on_failure: Callable[[Exception], None],
        *,
        shares_port: bool = False,
    ) -> None:
        assert settings.http_port is not None
        # It logs what clients do: that is counted, and must not fill a log.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        unread = UnreadReplies()
        self._service = Service(methods, calls, unread)
        paths = {path_of(name): name for name in (*methods.look_ups, *methods.others)}
        self._app = HttpApp(self._service, paths, health, unread, settings.max_connection_age_s or CONNECTION_AGE_S)
        self._socket = bound_socket(settings.host, settings.http_port, "http_port", shares_port=shares_port)
        self.port: int = self._socket.getsockname()[1]
        tls = None if settings.tls_cert_file is None else HttpTls(settings, settings.tls_cert_file)
        self._server = _Server(_config(settings, self._app, tls), tls)
        self._running: asyncio.Task[None] | None = None
        self._on_failure = on_failure

    async def start(self) -> None:
        """Accept requests from now on."""
        self._running = asyncio.create_task(self._serve())
        is_up = asyncio.create_task(self._server.is_up.wait())
        await asyncio.wait((self._running, is_up), return_when=asyncio.FIRST_COMPLETED)
        is_up.cancel()

    async def _serve(self) -> None:
        try:
            await self._server.serve(sockets=[self._socket])
        except Exception as error:  # noqa: BLE001 (whatever it is, the process has to end)
            self._on_failure(error)

    @property
    def unsent(self) -> int:
        """Requests that are not answered, or whose replies are not sent."""
        return self._app.running

    async def stop(self) -> None:
        """Close all connections, after what is being sent, within some seconds."""
        self._server.should_exit = True
        if self._running is None:
            self._socket.close()
        else:
            await self._running
        self._service.close()


class _Server(uvicorn.Server):
    """Checks its connections, and the files of TLS, once a second."""

    def __init__(self, config: uvicorn.Config, tls: HttpTls | None) -> None:
        super().__init__(config)
        self._tls = tls
        self._next_s = 0.0
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        self.is_up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the program."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _CHECK_EVERY_S
            if self._tls is not None:
                self._tls.refresh()
            loop_s = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.check(loop_s)
        return await super().on_tick(counter)


def _config(settings: ServerSettings, app: HttpApp, tls: HttpTls | None) -> uvicorn.Config:
    origins = [each.strip() for each in settings.http_cors_origins.split(",") if each.strip()]
    served: Any = app
    if origins:
        served = CORSMiddleware(app, origins, ("POST",), _SENT_HEADERS, expose_headers=_READ_HEADERS)
    return uvicorn.Config(
        served,
        loop="none",
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=settings.idle_timeout_s or _IDLE_S,
        timeout_graceful_shutdown=_STOP_LIMIT_S,
        ssl_context_factory=None if tls is None else lambda _, __: tls.context,
        h11_max_incomplete_event_size=MAX_METADATA_BYTES,
    )
