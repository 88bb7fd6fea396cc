"""A lock that lets only one process at a time work in a folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hangtag.trainer.errors import TrainerError


class FolderInUseError(TrainerError):
    """Another process works in the folder; the message names the folder and says what to do."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Create the folder and hold its lock while the block runs; the lock also ends with the process.

    Raises:
        FolderInUseError: another process holds the lock.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"another process works in {folder}: wait until it ends, stop it with Ctrl-C, or use another folder"
            raise FolderInUseError(msg) from None
        yield
