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
from hangtag.server.member import Member
from hangtag.server.member_pages import MemberPages
from hangtag.server.page import open_server_page
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

    def serve(self, ready: Callable[[int], None]) -> None:
        """Serve until SIGTERM, SIGINT or SIGHUP, which lets all processes drain; a second signal ends them at once.

        `ready` is called with the port once all processes accept calls.

        Raises:
            ServerError: a port is in use, a process cannot start, or processes die again and again.
        """
        try:
            self._serve(ready)
        except Exception as error:
            _log.critical("server_died", error=type(error).__name__, reason=summary_of(error), stack=stack_of(error))
            raise
        _log.info("stopped")

    def _serve(self, ready: Callable[[int], None]) -> None:
        with _held_port(self._settings) as port, stop_signals() as signals:
            self._port = port
            try:
                if self._supervisor.start(signals):
                    with self._page() as page:
                        _log.info(
                            "serving",
                            host=self._settings.host,
                            port=port,
                            metrics_port=page.port,
                            processes=self._supervisor.pids,
                        )
                        ready(port)
                        self._supervisor.watch(signals)
                        self._supervisor.stop(signals)
            finally:
                self._supervisor.stop(signals)

    def _start(self, number: int) -> Child:
        member = partial(Member, number, self._settings.processes, self._port)
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
