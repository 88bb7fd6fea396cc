"""What happened when: every fault gets a line as it begins and as it is over."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console

from hangtag.cli.console import make_console


@dataclass
class Diary:
    """Faults of a run, and the times in which a reader may be answered with something older."""

    began: float = field(default_factory=time.monotonic)
    faults: list[dict[str, object]] = field(default_factory=list)
    losses: list[tuple[float, float]] = field(default_factory=list)
    _console: Console = field(default_factory=make_console)

    @property
    def now_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    def say(self, line: str) -> None:
        """Print a line with the time."""
        self._console.print(f"{self.now_s:7.1f} s  {line}", markup=False, soft_wrap=True)

    @contextmanager
    def fault(self, lane: str, what: str) -> Iterator[None]:
        """Note a fault that lasts as long as the block."""
        entry: dict[str, object] = {"at_s": round(self.now_s, 1), "lane": lane, "what": what}
        self.faults.append(entry)
        self.say(f"{lane}: {what}")
        yield
        entry["over_s"] = round(self.now_s, 1)
        self.say(f"{lane}: over: {what}")

    @contextmanager
    def loss(self) -> Iterator[None]:
        """Within the block the store may have lost what it held."""
        self.losses.append((time.monotonic(), float("inf")))
        yield
        self.losses[-1] = self.losses[-1][0], time.monotonic()

    def may_have_lost(self, began: float, ended: float) -> bool:
        """Whether a read between these times (`time.monotonic`) may show something older."""
        return any(began <= until and ended >= since for since, until in self.losses)
