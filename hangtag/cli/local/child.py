"""A child process that writes to a log file and never outlives this process, even if this process is killed."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# Loaded at import: between fork and exec it is not safe to load a library.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Child:
    """A child process in its own group: Ctrl-C reaches only this process, which then stops its children in order.

    On Linux the kernel kills it when the thread that created it ends, so create it from a long-lived thread.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 (the command never contains user input)
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=None,
                env=None if env is None else dict(env),
                start_new_session=True,
                preexec_fn=_kill_with_parent(os.getpid()),  # noqa: PLW1509 (it makes only two system calls)
            )
        # A thread waits for the process, because a signal handler that raises in `Popen.wait` or `Popen.poll` can leave
        # a lock of theirs behind, on which every later call would wait for ever.
        self._has_ended = threading.Event()
        threading.Thread(target=self._wait, name=f"{name}-wait", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True until the process ends."""
        return not self._has_ended.is_set()

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while the process runs."""
        return self._process.returncode

    def ends_within(self, seconds: float) -> bool:
        """Wait at most `seconds` for the process to end; True if it ended."""
        return self._has_ended.wait(seconds)

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log, indented, for an error message."""
        with self.log.open(encoding="utf-8", errors="replace") as log:
            last = deque(log, maxlen=lines)
        return "".join(f"    {line.rstrip()}\n" for line in last) or "    (the log is empty)\n"

    def exit_report(self) -> str:
        """An error message with the exit code and the last lines of the log."""
        return f"{self.name} ended with exit code {self.exit_code}; end of its log {self.log}:\n{self.tail()}".rstrip()

    def ask_to_stop(self) -> None:
        """Send SIGTERM without waiting."""
        if self.is_running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def stop(self, grace_s: float = 10) -> None:
        """Send SIGTERM, then after `grace_s` SIGKILL to its group, and wait for the end. A second call does nothing."""
        self.ask_to_stop()
        if not self.ends_within(grace_s):
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._has_ended.wait()

    def _wait(self) -> None:
        self._process.wait()
        self._has_ended.set()


def _kill_with_parent(parent: int) -> Callable[[], None] | None:
    libc = _LIBC
    if libc is None:
        return None

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before prctl was called
            os._exit(1)

    return before_exec
