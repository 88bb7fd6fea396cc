"""Starting several processes, starting one again that died, and stopping all."""

import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import wait
from typing import Any

from hangtag.processes.child import Child
from hangtag.processes.stop_signals import StopSignals
from hangtag.telemetry import get_log

# A program whose processes die that often in that time is ended, so that an orchestrator notices.
_MOST_DEATHS = 3
_DEATHS_WITHIN_S = 60.0
_RESTART_AFTER_S = 0.5
# Beyond the time that a process takes to drain.
_STOP_SLACK_S = 7.0
_TURN_S = 0.2

_log = get_log(__name__)


class Supervisor:
    """The processes of a program.

    `start` starts the process of a number below `count`; `drain_s` is how long one may take to finish; `error` is the
    class of what is raised.
    """

    def __init__(
        self, name: str, count: int, start: Callable[[int], Child], drain_s: float, error: type[Exception]
    ) -> None:
        self._name, self._count, self._start_one = name, count, start
        self._drain_s, self._error = drain_s, error
        self._members: list[Child] = []
        self._deaths: list[float] = []
        self._starts: dict[int, float] = {}

    @property
    def pids(self) -> list[int]:
        """The processes."""
        return [member.pid for member in self._members]

    @property
    def bound(self) -> Mapping[int, Any]:
        """What each process said when it began to work; None: it has not yet."""
        return {member.number: member.bound for member in self._members}

    def start(self, signals: StopSignals) -> bool:
        """Start all; True once all work, False if a signal came first.

        Raises:
            Exception: of the class `error`: a process cannot start.
        """
        self._members = [self._start_one(number) for number in range(self._count)]
        while not all(member.bound for member in self._members):
            if signals.count:
                return False
            self._turn(signals)
            for member in self._members:
                if not member.is_running and not member.bound:
                    msg = f"process {member.number} of the {self._name} does not start: {member.why_ended()}"
                    raise self._error(msg)
        return True

    def watch(self, signals: StopSignals) -> None:
        """Start a process again that died, until a signal comes.

        Raises:
            Exception: of the class `error`: processes die again and again.
        """
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
                    self._members[place] = self._start_one(member.number)

    def stop(self, signals: StopSignals) -> None:
        """Let all drain and wait for their ends; a second signal ends them at once."""
        for member in self._members:
            member.signal(signal.SIGTERM)
        end = time.monotonic() + self._drain_s + _STOP_SLACK_S
        seen = signals.count
        while any(member.is_running for member in self._members) and time.monotonic() < end:
            self._turn(signals)
            if signals.count > max(seen, 1):
                end = 0.0
        for member in self._members:
            member.end(max(0.0, end - time.monotonic()))
        self._members = []

    def _count_death(self, member: Child, now: float) -> None:
        reason = member.why_ended()
        member.bound = None
        _log.error("process_died", process=member.number, reason=reason)
        self._deaths = [*(died for died in self._deaths if now - died < _DEATHS_WITHIN_S), now]
        if len(self._deaths) >= _MOST_DEATHS:
            deaths = f"{len(self._deaths)} processes of the {self._name}"
            msg = f"{deaths} died within {_DEATHS_WITHIN_S:.0f} s: {reason}"
            raise self._error(msg)

    def _turn(self, signals: StopSignals) -> None:
        """Wait a little for news."""
        handles = [handle for member in self._members if member.is_running for handle in member.handles]
        wait([*handles, signals.wake], _TURN_S)
        signals.clear()
        for member in self._members:
            member.hear()
