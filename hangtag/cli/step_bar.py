"""Progress of work that takes steps: a bar on a terminal, now and then a line elsewhere."""

import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

_LINE_EVERY_S = 15.0


class StepBar:
    """Shows where the work stands; a context manager."""

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
        self._next_line = time.monotonic() + _LINE_EVERY_S

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def stage(self, name: str) -> None:
        """Tell what begins."""
        self._console.print(f"{name} ...", soft_wrap=True)
        self._bar.update(self._task, description=name, total=None)

    def step(self, where: str, step: int, steps: int) -> None:
        """Tell of a step that was taken."""
        self._bar.update(self._task, description=where, total=steps, completed=step)
        if not self._console.is_terminal and time.monotonic() >= self._next_line:
            self._console.print(where, soft_wrap=True)
            self._next_line = time.monotonic() + _LINE_EVERY_S
