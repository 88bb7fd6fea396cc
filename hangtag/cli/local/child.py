"""A child process that writes to a log file and never outlives this process, even if this process is killed."""

import ctypes
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
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

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True until the process ends."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while the process runs."""
        return self._process.poll()

    def ends_within(self, seconds: float) -> bool:
        """Wait at most `seconds` for the process to end; True if it ended."""
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

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
            self._process.terminate()

    def stop(self, grace_s: float = 10) -> None:
        """Send SIGTERM, then after `grace_s` SIGKILL to its group, and wait for the end. A second call does nothing."""
        self.ask_to_stop()
        if not self.ends_within(grace_s):
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()


def _kill_with_parent(parent: int) -> Callable[[], None] | None:
    libc = _LIBC
    if libc is None:
        return None

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before prctl was called
            os._exit(1)

    return before_exec
