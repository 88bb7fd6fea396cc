"""Atomic writing of files: if the process is killed in between, the previous file stays."""

from collections.abc import Callable
from errno import EIO
from pathlib import Path

from safetensors import SafetensorError


def write_atomically(file: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path beside the file, and move the result into place when it is complete.

    Raises:
        OSError: the file cannot be written; the temporary file is removed.
    """
    part = file.with_name(file.name + ".part")
    try:
        write(part)
        part.replace(file)
    except (SafetensorError, RuntimeError) as error:  # what safetensors and torch raise for a full disk
        part.unlink(missing_ok=True)
        raise OSError(EIO, str(error), str(file)) from error
    except OSError:
        part.unlink(missing_ok=True)
        raise


def write_text(file: Path, text: str) -> None:
    """Write a text in UTF-8, atomically."""
    write_atomically(file, lambda part: part.write_text(text, encoding="utf-8"))
