"""Files that are written whole or not at all: a kill in the middle leaves what was there."""

from collections.abc import Callable
from pathlib import Path


def write_whole(file: Path, write: Callable[[Path], object]) -> None:
    """Let `write` write a file beside it, and put that in its place once it is whole."""
    part = file.with_name(file.name + ".part")
    write(part)
    part.replace(file)


def write_text(file: Path, text: str) -> None:
    """The same with a text, in UTF-8."""
    write_whole(file, lambda part: part.write_text(text, encoding="utf-8"))
