"""Putting files into a bundle folder, all of them or none."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hangtag.bundle.errors import BundleError
from hangtag.bundle.files import MANIFEST
from hangtag.bundle.load import load_bundle


def check_place(folder: Path) -> None:
    """Check that a bundle may be written to this folder: it does not exist, is empty or holds a bundle.

    Raises:
        BundleError: it holds something else.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        msg = f"bundle {folder}: not a folder; name another path"
        raise BundleError(msg)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        msg = (
            f"bundle {folder}: holds files but no {MANIFEST}, so it is not overwritten; name another or an empty folder"
        )
        raise BundleError(msg)


def put_bundle(folder: Path, content: Mapping[str, bytes], keep: Path | None = None) -> None:
    """Write the files of a bundle; what is in `folder` before is replaced, and copied to `keep` if that is given.

    The files are written to a folder beside `folder` and loaded from there, then the folder is renamed into place.

    Raises:
        BundleError: the files do not make a bundle, or `folder` or `keep` hold something else than a bundle.
        OSError: a file cannot be written.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve() would follow a link in place of the folder)
    for place in (folder, keep):
        if place is not None:
            check_place(place)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        part.chmod(0o755)  # mkdtemp made it readable for this user alone
        for file, data in content.items():
            _write(part / file, data)
        load_bundle(part)
        if keep is not None and folder.is_dir():
            _keep(folder, keep)
        _rename(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _keep(folder: Path, keep: Path) -> None:
    """Copy the folder; what `keep` held before goes only once the copy is complete."""
    copy = Path(tempfile.mkdtemp(prefix=f".{keep.name}.", dir=keep.parent))
    try:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        _rename(copy, keep)
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _rename(part: Path, folder: Path) -> None:
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
    existed = folder.is_dir()
    try:
        if existed:
            folder.rename(old)
        part.rename(folder)
    except BaseException:  # a signal in between must not leave the place empty
        if existed and not folder.exists():
            old.rename(folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
