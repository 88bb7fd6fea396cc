"""What can be wrong with a bundle."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class BundleError(ValueError):
    """A bundle cannot be read or written; the message names the folder, the file and what to do."""


@contextmanager
def naming(folder: Path) -> Iterator[None]:
    """Put the folder in front of the message of a BundleError."""
    try:
        yield
    except BundleError as error:
        msg = f"bundle {folder}: {error}"
        raise BundleError(msg) from error
