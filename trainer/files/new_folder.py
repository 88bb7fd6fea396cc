"""Writing a new folder, completely or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hangtag.trainer.errors import TrainerError


class NewFolderError(TrainerError):
    """A folder for new files holds others already."""


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`, renamed to it when the block ends; after an error nothing is left.

    Raises:
        NewFolderError: `folder` is a file, or holds something.
        OSError: it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"{folder} exists already and is not empty: name another folder"
        raise NewFolderError(msg)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        part.chmod(0o755)  # mkdtemp made it readable for this user alone
        yield part
        if folder.is_dir():
            folder.rmdir()
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
