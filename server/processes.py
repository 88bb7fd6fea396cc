"""Several processes that serve on one port.

Each of them listens on it (SO_REUSEPORT), and the system spreads connections over them. This process starts them, and
starts one again that died, stops them, and serves their metrics and health as one.
"""

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

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

# A server whose processes die that often in that time is ended, so that an orchestrator notices.
_MOST_DEATHS = 3
_DEATHS_WITHIN_S = 60.0
_RESTART_AFTER_S = 0.5
# Beyond the time that a process takes to drain.
_STOP_SLACK_S = 7.0
_TURN_S = 0.2

_spawn = multiprocessing.get_context("spawn")
_log = get_log(__name__)


class _Process:
    """A process and what it said."""

    def __init__(self, run: Run, number: int, count: int, port: int, http_port: int | None) -> None:
        self.number = number
        self.bound: Bound | None = None
        self.reason = ""
        self._tells, tell = _spawn.Pipe(duplex=False)
        life, self._life = _spawn.Pipe(duplex=False)
        member = Member(number, count, port, tell, life, http_port)
        self._process: SpawnProcess = _spawn.Process(target=run, args=(member,), name=f"server-{number}")
        self._process.start()
        # The ends of the process. If this process ends, the other one of `life` is closed with it.
        tell.close()
        life.close()

    @property
    def handles(self) -> list[Connection | int]:
        """What becomes ready when there is news."""
        return [self._process.sentinel, *([] if self._tells.closed else [self._tells])]

    @property
    def is_running(self) -> bool:
        return self._process.is_alive()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    def hear(self) -> None:
        """Read what the process said."""
        with suppress(EOFError, OSError):
            while not self._tells.closed and self._tells.poll():
                said = self._tells.recv()
                if isinstance(said, Bound):
                    self.bound = said
                else:
                    self.reason = said
            return
        self._tells.close()

    def why_ended(self) -> str:
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return self.reason or f"ended with exit code {code}; its last line in the log has the reason"

    def signal(self, number: int) -> None:
        if self.is_running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self, limit_s: float) -> None:
        """Wait for the end; kill the process if that takes longer."""
        self._process.join(limit_s)
        if self.is_running:
            _log.warning("process_killed", process=self.number, reason=f"it did not stop within {limit_s:.0f} s")
            self._process.kill()
            self._process.join()
        self._tells.close()
        self._life.close()


class Processes:
    """`settings.server.processes` processes that run `run`."""

    def __init__(self, settings: Settings, run: Run) -> None:
        self._settings = settings.server
        self._run = run
        self._count = settings.server.processes
        self._members: list[_Process] = []
        self._deaths: list[float] = []
        self._starts: dict[int, float] = {}
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
        with _held_port(self._settings) as port, _held_http_port(self._settings) as http_port, _signals() as signals:
            self._http_port = http_port
            try:
                self._members = [self._start(number, port) for number in range(self._count)]
                if self._wait_ready(signals):
                    with self._page() as page:
                        bound = Bound(port, page.port, http_port)
                        _log.info(
                            "serving",
                            host=self._settings.host,
                            **bound.ports(),
                            processes=[member.pid for member in self._members],
                        )
                        ready(bound)
                        self._watch(port, signals)
                        self._stop(signals)
            finally:
                self._stop(signals)

    def _start(self, number: int, port: int) -> _Process:
        return _Process(self._run, number, self._count, port, self._http_port)

    def _wait_ready(self, signals: "_Signals") -> bool:
        """True once all processes serve; False if a signal came first."""
        while not all(member.bound for member in self._members):
            if signals.count:
                return False
            self._turn(signals)
            for member in self._members:
                if not member.is_running and not member.bound:
                    msg = f"process {member.number} of the server does not start: {member.why_ended()}"
                    raise ServerError(msg)
        return True

    def _watch(self, port: int, signals: "_Signals") -> None:
        while not signals.count:
            self._turn(signals)
            now = time.monotonic()
            for place, member in enumerate(self._members):
                if member.is_running:
                    continue
                if place not in self._starts:
                    self._count_death(member, now)
                    self._starts[place] = now + _RESTART_AFTER_S
                elif now >= self._starts[place]:
                    del self._starts[place]
                    member.end(0)
                    self._members[place] = self._start(member.number, port)

    def _count_death(self, member: _Process, now: float) -> None:
        reason = member.why_ended()
        member.bound = None
        _log.error("process_died", process=member.number, reason=reason)
        self._deaths = [*(died for died in self._deaths if now - died < _DEATHS_WITHIN_S), now]
        if len(self._deaths) >= _MOST_DEATHS:
            msg = f"{len(self._deaths)} processes of the server died within {_DEATHS_WITHIN_S:.0f} s: {reason}"
            raise ServerError(msg)

    def _turn(self, signals: "_Signals") -> None:
        """Wait a little for news."""
        handles = [handle for member in self._members if member.is_running for handle in member.handles]
        wait([*handles, signals.wake], _TURN_S)
        signals.clear()
        for member in self._members:
            member.hear()

    def _stop(self, signals: "_Signals") -> None:
        for member in self._members:
            member.signal(signal.SIGTERM)
        end = time.monotonic() + self._settings.drain_s + self._settings.grace_s + _STOP_SLACK_S
        seen = signals.count
        while any(member.is_running for member in self._members) and time.monotonic() < end:
            self._turn(signals)
            if signals.count > max(seen, 1):
                end = 0.0
        for member in self._members:
            member.end(max(0.0, end - time.monotonic()))
        self._members = []

    def _page(self) -> TelemetryServer:
        pages = MemberPages(lambda: {member.number: member.bound for member in self._members})
        return open_server_page(
            self._settings,
            pages.registry,
            pulses=pages.pulses,
            details=pages.details,
            parts=pages.parts,
            pages={"/popular": pages.popular},
            on_failure=lambda _: os.kill(os.getpid(), signal.SIGTERM),
        )


class _Signals:
    """Signals that ask the server to stop. `wake` becomes readable with each."""

    def __init__(self) -> None:
        self.count = 0
        self.wake, self._waker = socket.socketpair()
        for each in (self.wake, self._waker):
            each.setblocking(False)

    def add(self, *_: object) -> None:
        self.count += 1
        with suppress(BlockingIOError):
            self._waker.send(b"x")

    def clear(self) -> None:
        with suppress(BlockingIOError):
            self.wake.recv(64)

    def close(self) -> None:
        self.wake.close()
        self._waker.close()


@contextmanager
def _signals() -> Iterator[_Signals]:
    signals = _Signals()
    kinds = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` lets it be ignored
        kinds.append(signal.SIGHUP)
    before = [signal.signal(kind, signals.add) for kind in kinds]
    try:
        yield signals
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
        signals.close()


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
