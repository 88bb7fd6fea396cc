"""The help text of a command, from its docstring."""

import inspect
from collections.abc import Callable

from rich.markup import escape

_INDENT = "    "


def help_text(command: Callable[..., object]) -> str:
    """The docstring for Typer's rich mode: one line per paragraph, which any terminal can wrap, and no markup.

    The lines of an indented paragraph stay separate.
    """
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return escape("\n\n".join(each if each.startswith(_INDENT) else each.replace("\n", " ") for each in paragraphs))
