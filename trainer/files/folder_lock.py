"""One process at a time in a folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hangtag.trainer.errors import TrainerError


class FolderInUseError(TrainerError):
    """Another process works in the folder; the message names it and says what to do."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder and keep it for this process, for as long as the block runs. A kill ends it, too.

    Raises:
        FolderInUseError: another process keeps it.
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"another process works in {folder}: wait until it ends, stop it with Ctrl-C, or name another folder"
            raise FolderInUseError(msg) from None
        yield
