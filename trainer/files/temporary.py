"""Temporary files for data that does not fit in memory; nothing of them is left when the process ends."""

import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC

from hangtag.trainer.errors import TrainerError


class TemporarySpaceError(TrainerError):
    """The folder for temporary files is full; the message names it and says how to use another one."""


class Temporary:
    """A file without a name, in the folder that the environment variable TMPDIR names (default: /tmp).

    It is removed once nothing refers to it, or the process ends, however that happens.

    Raises:
        TemporarySpaceError: the folder is full.
    """

    def __init__(self) -> None:
        with _full_disk_reported(), tempfile.TemporaryFile(buffering=0) as file:
            self._number = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._number)

    def write(self, content: bytes, place: int) -> None:
        """Write everything, from a place on.

        Raises:
            TemporarySpaceError: the disk is full.
        """
        rest = memoryview(content)
        with _full_disk_reported():
            while rest:
                written = os.pwrite(self._number, rest, place)
                rest, place = rest[written:], place + written

    def read(self, size: int, place: int) -> bytes:
        """Read at most so many bytes, from a place on."""
        return os.pread(self._number, size, place)


@contextmanager
def _full_disk_reported() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {ENOSPC, EDQUOT}:
            raise
        msg = (
            f"{tempfile.gettempdir()}, the folder for temporary files, is full: set the environment variable TMPDIR to "
            "a folder on a larger disk"
        )
        raise TemporarySpaceError(msg) from error
