"""One of several processes, as the process that starts it sees it."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from hangtag.telemetry import get_log

# What a process runs, with what it is given. It is passed on by name, so it is a function of a module.
Run = Callable[[Any], None]

_spawn = multiprocessing.get_context("spawn")
_log = get_log(__name__)


class Child:
    """A process and what it said: `bound` once it works, `reason` if it cannot."""

    def __init__(self, run: Run, given: Callable[[Connection, Connection], Any], name: str, number: int) -> None:
        """Start a process that runs `run` with what `given` makes of the two connections of a `Parent`."""
        self.number = number
        self.bound: Any = None
        self.reason = ""
        self._tells, tell = _spawn.Pipe(duplex=False)
        life, self._life = _spawn.Pipe(duplex=False)
        self._process: SpawnProcess = _spawn.Process(target=run, args=(given(tell, life),), name=f"{name}-{number}")
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
        """True until the process has ended."""
        return self._process.is_alive()

    @property
    def pid(self) -> int:
        """The number that the system knows it by."""
        return self._process.pid or 0

    def hear(self) -> None:
        """Read what the process said."""
        with suppress(EOFError, OSError):
            while not self._tells.closed and self._tells.poll():
                said = self._tells.recv()
                if isinstance(said, str):
                    self.reason = said
                else:
                    self.bound = said
            return
        self._tells.close()

    def why_ended(self) -> str:
        """The reason as a person can read it."""
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return self.reason or f"ended with exit code {code}; its last line in the log has the reason"

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
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
