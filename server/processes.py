"""Several processes that serve on one port.

Each of them listens on it (SO_REUSEPORT), and the system spreads connections over them. This process starts them, and
starts one again that died, stops them, and serves their metrics and health as one.
"""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from hangtag.processes import Child, Supervisor, stop_signals
from hangtag.server.errors import ServerError
from hangtag.server.listener import address_of, in_use
from hangtag.server.member import Bound, Member
from hangtag.server.member_pages import MemberPages
from hangtag.server.page import open_server_page
from hangtag.server.sockets import bound_socket
from hangtag.settings import ServerSettings, Settings
from hangtag.telemetry import TelemetryServer, get_log
from hangtag.telemetry.places import stack_of, summary_of

# What a process runs. It is passed on by name, so it is a function of a module.
Run = Callable[[Member], None]

_log = get_log(__name__)


class Processes:
    """`settings.server.processes` processes that run `run`."""

    def __init__(self, settings: Settings, run: Run) -> None:
        self._settings = settings.server
        self._run = run
        drain_s = self._settings.drain_s + self._settings.grace_s
        self._supervisor = Supervisor("server", self._settings.processes, self._start, drain_s, ServerError)
        self._port = 0
        self._http_port: int | None = None

    def serve(self, ready: Callable[[Bound], None]) -> None:
        """Serve until SIGTERM, SIGINT or SIGHUP, which lets all processes drain; a second signal ends them at once.

        `ready` is called with the ports once all processes accept calls.

        Raises:
            ServerError: a port is in use, a process cannot start, or processes die again and again.
        """
        try:
            self._serve(ready)
        except Exception as error:
            _log.critical("server_died", error=type(error).__name__, reason=summary_of(error), stack=stack_of(error))
            raise
        _log.info("stopped")

    def _serve(self, ready: Callable[[Bound], None]) -> None:
        held = _held_port(self._settings), _held_http_port(self._settings)
        with held[0] as port, held[1] as http_port, stop_signals() as signals:
            self._port, self._http_port = port, http_port
            try:
                if self._supervisor.start(signals):
                    with self._page() as page:
                        bound = Bound(port, page.port, http_port)
                        _log.info(
                            "serving",
                            host=self._settings.host,
                            **bound.ports(),
                            processes=self._supervisor.pids,
                        )
                        ready(bound)
                        self._supervisor.watch(signals)
                        self._supervisor.stop(signals)
            finally:
                self._supervisor.stop(signals)

    def _start(self, number: int) -> Child:
        member = partial(Member, number, self._settings.processes, self._port, self._http_port)
        return Child(self._run, member, "server", number)

    def _page(self) -> TelemetryServer:
        pages = MemberPages(lambda: self._supervisor.bound)
        return open_server_page(
            self._settings,
            pages.registry,
            pulses=pages.pulses,
            details=pages.details,
            parts=pages.parts,
            pages={"/popular": pages.popular},
            on_failure=lambda _: os.kill(os.getpid(), signal.SIGTERM),
        )


@contextmanager
def _held_port(settings: ServerSettings) -> Iterator[int]:
    """The port, which belongs to this process and those that it starts.

    It is bound without listening, so no call comes here. A program that does not share ports cannot take it, also while
    a process starts again; and it is refused here if another program has it, even one that shares ports.
    """
    address = address_of(settings)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    place = (settings.host.strip("[]"), settings.port)
    with socket.socket(family) as alone, socket.socket(family) as held:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            if settings.port:
                alone.bind(place)
                alone.listen()
                alone.close()
            held.bind(place)
        except OSError as error:
            raise in_use(address) from error
        yield held.getsockname()[1]


@contextmanager
def _held_http_port(settings: ServerSettings) -> Iterator[int | None]:
    """As `_held_port`, of HTTP; None without it."""
    if settings.http_port is None:
        yield None
        return
    if settings.http_port:
        bound_socket(settings.host, settings.http_port, "http_port").close()
    with bound_socket(settings.host, settings.http_port, "http_port", shares_port=True) as held:
        port: int = held.getsockname()[1]
        yield port
