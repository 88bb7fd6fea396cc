"""Writes the files of a bundle to a folder of this machine, all of them or none."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hangtag.bundle import Bundle
from hangtag.models.errors import LocalModelsError
from hangtag.models.listed import ShelfFile

_MB = 1_000_000
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# A temporary folder begins with this, then the name of the folder that it becomes.
PARTIAL = ".partial-"

Copy = Callable[[ShelfFile, Callable[[bytes], Any]], None]


def fetch_into(folder: Path, files: Sequence[ShelfFile], copy: Copy, check: Callable[[Path], Bundle]) -> Bundle:
    """Write the files with `copy` to a folder beside `folder`, check that, and rename it; returns what `check` does.

    Raises:
        LocalModelsError: a file cannot be written.
        Exception: what `copy` and `check` raise. In any case nothing is left of it, and `folder` is as it was.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder.parent, files, error) from error
    try:
        try:
            part.chmod(0o755)  # mkdtemp made it readable for this user alone
            for file in files:
                _write(part / file.name, file, copy)
            _sync(part)
        except OSError as error:
            raise _unwritable(folder.parent, files, error) from error
        bundle = check(part)
        _rename(part, folder)
        return bundle
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(path: Path, file: ShelfFile, copy: Copy) -> None:
    with path.open("xb") as target:
        copy(file, target.write)
        target.flush()
        os.fsync(target.fileno())


def _rename(part: Path, folder: Path) -> None:
    """Another process may fetch the same bundle: whoever is first wins, and both are complete."""
    try:
        with suppress(OSError):
            part.rename(folder)
            _sync(folder.parent)
            return
        old = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{folder.name}-old-", dir=folder.parent))
        try:
            folder.rename(old)
            part.rename(folder)
            _sync(folder.parent)
        finally:
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        msg = f"{folder} cannot be replaced: {error.strerror}; remove it"
        raise LocalModelsError(msg) from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(folder: Path, files: Sequence[ShelfFile], error: OSError) -> LocalModelsError:
    if error.errno in _FULL:
        needed = sum(file.bytes for file in files) / _MB
        msg = (
            f"no room for a bundle of {needed:.0f} MB in {folder}: {error.strerror}; free space, or set "
            "HANGTAG_MODELS__CACHE_DIR"
        )
    else:
        msg = f"{folder} cannot be written: {error.strerror}; set HANGTAG_MODELS__CACHE_DIR to a folder of this user"
    return LocalModelsError(msg)
