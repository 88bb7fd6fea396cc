"""A console for data that others wrote."""

from rich.console import Console

from hangtag.cli.screen import make_console


def plain_console(*, stderr: bool = False) -> Console:
    """As wide as `make_console`'s, and text stands as it is: a tag `[/b]` or a file `:cat:` is no markup."""
    usual = make_console(stderr=stderr)
    width = None if usual.is_terminal else usual.width
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)
