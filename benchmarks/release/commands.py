"""Commands of `hangtag`, as people run them, and what they cost."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from hangtag.cli.errors import CommandError


class Ran(NamedTuple):
    """What a command printed as JSON, its CPU seconds, and how long it ran."""

    printed: Any
    cpu_s: float
    took_s: float


def run(environment: Mapping[str, str], *arguments: str, may_fail: bool = False) -> Ran:
    """Run a command that prints JSON.

    Raises:
        CommandError: it failed.
    """
    return run_by_turns(environment, *arguments, turn_s=0, on_turn=lambda _: None, may_fail=may_fail)


def run_by_turns(
    environment: Mapping[str, str],
    *arguments: str,
    turn_s: float,
    on_turn: Callable[[bool], None],
    may_fail: bool = False,
) -> Ran:
    """Let a command that prints JSON run for `turn_s` seconds, stand still for as long, and so on; 0: it always runs.

    `on_turn` is called before each turn, with whether the command runs in it. `took_s` leaves out the time that it
    stood still.

    Raises:
        CommandError: it failed.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        command = [sys.executable, "-P", "-m", "hangtag.cli", *arguments]
        started, stood_s = time.monotonic(), 0.0
        process = subprocess.Popen(command, stdout=output, stderr=errors, env={**os.environ, **environment})
        pid, status, usage = 0, 0, None
        try:
            while not pid:
                on_turn(True)
                pid, status, usage = _wait(process.pid, turn_s)
                if not pid:
                    os.kill(process.pid, signal.SIGSTOP)
                    on_turn(False)
                    time.sleep(turn_s)
                    stood_s += turn_s
                    os.kill(process.pid, signal.SIGCONT)
        except BaseException:
            process.kill()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        printed = output.read()
        if process.returncode and not may_fail:
            msg = f"hangtag {' '.join(arguments)}: exit code {process.returncode}: {errors.read().decode()[-2_000:]}"
            raise CommandError(msg)
        took_s = time.monotonic() - started - stood_s
        return Ran(orjson.loads(printed or b"null"), usage.ru_utime + usage.ru_stime, took_s)


def _wait(pid: int, seconds: float) -> tuple[int, int, Any]:
    """What `os.wait4` says, after `seconds` at most unless that is 0."""
    give_up = time.monotonic() + seconds
    while True:
        found = os.wait4(pid, os.WNOHANG if seconds else 0)
        if found[0] or time.monotonic() > give_up:
            return found
        time.sleep(0.05)
