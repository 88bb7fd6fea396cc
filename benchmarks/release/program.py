"""What a program says of its bundle, and how much memory it takes."""

import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from hangtag.cli.errors import CommandError
from hangtag.cli.local import Child

_MB = 1_024  # the kernel counts in KiB


class Program(NamedTuple):
    """A worker or server, and the port of its page."""

    child: Child
    port: int

    @property
    def sequence(self) -> int:
        """The sequence of the release that it uses; 0 while it does not answer."""
        with suppress(OSError, ValueError, KeyError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                found: Any = orjson.loads(answer.read())
            return int(found["details"]["model"]["sequence"])
        return 0

    def forget_peak(self) -> None:
        """Let the kernel find the peak of the memory anew."""
        Path(f"/proc/{self.child.pid}/clear_refs").write_text("5")

    def memory_mb(self, what: str = "VmRSS") -> float:
        """Memory in use, or `VmHWM`: the peak."""
        for line in Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1]) / _MB
        return 0.0


def until_all_use(programs: Sequence[Program], sequence: int, patience_s: float = 180) -> float:
    """Seconds until every program uses this release.

    Raises:
        CommandError: one ended, or does not use it in time.
    """
    started = time.monotonic()
    while any(each.sequence != sequence for each in programs):
        for each in programs:
            if not each.child.is_running:
                raise CommandError(each.child.exit_report())
        if time.monotonic() > started + patience_s:
            behind = [each.child.name for each in programs if each.sequence != sequence]
            msg = f"{', '.join(behind)} does not use sequence {sequence} after {patience_s:.0f} s:\n"
            raise CommandError(msg + "\n".join(each.child.tail() for each in programs))
        time.sleep(0.05)
    return time.monotonic() - started
