"""A process of ours: it writes to a log file, stops when told, and dies with us even when we are killed."""

import ctypes
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# Loaded here and not between fork and exec, where only what is already in memory is safe to use.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Child:
    """A child process in a group of its own, so that Ctrl-C reaches only us and we stop it in order.

    On Linux the kernel kills it when the thread that created it ends: create it from a thread that stays.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 (the command is ours, never a user's text)
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=None,
                env=None if env is None else dict(env),
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 (nothing but two system calls)
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True until it ends."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def ends_within(self, seconds: float) -> bool:
        """Wait for its end for at most `seconds`; True if it ended."""
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log, indented, for an error text."""
        with self.log.open(encoding="utf-8", errors="replace") as log:
            last = deque(log, maxlen=lines)
        return "".join(f"    {line.rstrip()}\n" for line in last) or "    (it wrote nothing)\n"

    def obituary(self) -> str:
        """That it ended, how, and its last words."""
        return f"{self.name} ended with code {self.exit_code}; its last words:\n{self.tail()}".rstrip()

    def ask_to_stop(self) -> None:
        """Send SIGTERM and do not wait."""
        if self.is_running:
            self._process.terminate()

    def stop(self, grace_s: float = 10) -> None:
        """Send SIGTERM, after `grace_s` SIGKILL to its whole group, and collect it. A second call does nothing."""
        self.ask_to_stop()
        if not self.ends_within(grace_s):
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()


def _die_with(parent: int) -> Callable[[], None] | None:
    libc = _LIBC
    if libc is None:
        return None

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the call above could notice
            os._exit(1)

    return before_exec
