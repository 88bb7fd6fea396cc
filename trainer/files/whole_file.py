"""Files that are written whole or not at all: a kill in the middle leaves what was there."""

from collections.abc import Callable
from errno import EIO
from pathlib import Path

from safetensors import SafetensorError


def write_whole(file: Path, write: Callable[[Path], object]) -> None:
    """Let `write` write a file beside it, and put that in its place once it is whole.

    Raises:
        OSError: the disk; nothing is left beside the file.
    """
    part = file.with_name(file.name + ".part")
    try:
        write(part)
        part.replace(file)
    except (SafetensorError, RuntimeError) as error:  # safetensors' and torch's words for what the disk said
        part.unlink(missing_ok=True)
        raise OSError(EIO, str(error), str(file)) from error
    except OSError:
        part.unlink(missing_ok=True)
        raise


def write_text(file: Path, text: str) -> None:
    """The same with a text, in UTF-8."""
    write_whole(file, lambda part: part.write_text(text, encoding="utf-8"))
