"""Progress of long work: updated in place on a terminal, a line from time to time elsewhere."""

import time
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

_STATUS_LINE_EVERY_S = 1.0
_STEP_LINE_EVERY_S = 15.0
_IN_MINUTES_S = 100


class LiveStatus:
    """Shows the latest state; a context manager, used by one thread."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._console = console
        self._last = ""
        self._next_line = time.monotonic() + _STATUS_LINE_EVERY_S

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, line: str, picture: RenderableType | None = None, *, is_last: bool = False) -> None:
        """Show `picture` or else the line on a terminal; elsewhere print the line if it is new, at most every second.

        The last state is always printed.
        """
        if self._live is not None:
            self._live.update(picture or line, refresh=True)
        elif line != self._last and (is_last or time.monotonic() >= self._next_line):
            self._console.print(line, markup=False, soft_wrap=True)
            self._last, self._next_line = line, time.monotonic() + _STATUS_LINE_EVERY_S


class StepBar:
    """A progress bar for work in stages and steps; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)
        self._next_line = time.monotonic() + _STEP_LINE_EVERY_S

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def stage(self, name: str) -> None:
        """Print the name of the stage that starts now."""
        self._console.print(f"{name} ...", soft_wrap=True)
        self._bar.update(self._task, description=name, total=None)

    def step(self, description: str, step: int, steps: int | None) -> None:
        """Show that `step` of `steps` is done (None: not known how many there are).

        Without a terminal, print the description at most every 15 s.
        """
        self._bar.update(self._task, description=description, total=steps, completed=step)
        if not self._console.is_terminal and time.monotonic() >= self._next_line:
            self._console.print(description, soft_wrap=True)
            self._next_line = time.monotonic() + _STEP_LINE_EVERY_S


def remaining_time(started: float, done: int, total: int) -> str:
    """How long the rest takes at the speed so far; `started` is in seconds of `time.monotonic`."""
    if not done:
        return "remaining time unknown"
    seconds = (time.monotonic() - started) / done * max(0, total - done)
    return f"{seconds:.0f} s remaining" if seconds < _IN_MINUTES_S else f"{seconds / 60:.0f} min remaining"
