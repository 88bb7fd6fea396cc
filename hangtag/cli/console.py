"""Consoles and tables for the output of commands."""

from rich.console import Console
from rich.table import Column, Table

_WIDTH_OF_FILES = 160
# Of a title in a table.
_TITLE = 60


def make_console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal, or wide enough for every table if the output goes to a file or a pipe."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_WIDTH_OF_FILES)


def plain_console(*, stderr: bool = False) -> Console:
    """The same for data from users: prints text unchanged, so `[/b]` is not markup and `:cat:` is not an emoji."""
    usual = make_console(stderr=stderr)
    width = None if usual.is_terminal else usual.width
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


def make_table(*headers: str, title: str | None = None, show_header: bool = True) -> Table:
    """A table that wraps long cells and never truncates them."""
    columns = (Column(header, overflow="fold") for header in headers)
    return Table(*columns, title=title, show_header=show_header)


def printable(text: str, keep: str = "") -> str:
    """Text of others without what a terminal would obey: characters that show nothing are escaped, except `keep`."""
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode() for each in text
    )


def short_title(title: str) -> str:
    """A title for a cell of a table: shortened, and printable."""
    return printable(title if len(title) <= _TITLE else f"{title[:_TITLE]}...")
