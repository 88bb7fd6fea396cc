"""Progress of long work: live on a terminal, now and then a line elsewhere."""

import time
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

_LINE_EVERY_S = 2.0
_WIDTH_IN_FILES = 160


def make_console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; wide enough for our tables where the output goes to a file or a pipe."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_WIDTH_IN_FILES)


class Screen:
    """Shows the latest state of something; a context manager. One thread calls."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._console = console
        self._last = ""
        self._next_line = time.monotonic() + _LINE_EVERY_S

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, line: str, picture: RenderableType | None = None) -> None:
        """Show `picture` (or the line) on a terminal; elsewhere print the line if it is new and the last one is old."""
        if self._live is not None:
            self._live.update(picture or line, refresh=True)
        elif line != self._last and time.monotonic() >= self._next_line:
            self._console.print(line, markup=False, soft_wrap=True)
            self._last, self._next_line = line, time.monotonic() + _LINE_EVERY_S
