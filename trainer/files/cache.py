"""A folder of results that take long to make, each under a key that says what it was made of."""

import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from hangtag.trainer.files.atomic_file import write_text

_LIMIT_BYTES = 4_000_000_000
_NOTE = "entry.json"
_UNFINISHED = ".unfinished-"
# What a killed command left; a running one writes for less long.
_ABANDONED_S = 24 * 3_600
_log = logging.getLogger(__name__)


class Cache:
    """Entries in `folder`, each a folder of files, of `limit` bytes together; the least recently used are removed.

    An entry is written under another name and renamed when it is complete, and its note has the sizes of its files: one
    that a killed process or a full disk has left incomplete is never used. The folder may be removed at any time.
    """

    def __init__(self, folder: Path, limit: int = _LIMIT_BYTES) -> None:
        self.folder = folder
        self._limit = limit

    def find(self, key: str) -> Path | None:
        """The folder of a complete entry; None if there is none."""
        entry = self.folder / key
        try:
            sizes = json.loads((entry / _NOTE).read_text(encoding="utf-8"))["bytes"]
            if sizes == _sizes(entry):
                with suppress(OSError):  # a folder that can only be read
                    (entry / _NOTE).touch()
                return entry
        except (OSError, ValueError, LookupError, TypeError):
            pass
        return None

    def add(self, key: str, write: Callable[[Path], object]) -> Path | None:
        """Call `write` with a new folder, and make it the entry; returns its folder.

        An entry is an aid: None if it cannot be written, because the disk is full for example, and a warning is logged.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.folder))
        except OSError as error:
            self._warn(error)
            return None
        try:
            write(part)
            write_text(part / _NOTE, json.dumps({"bytes": _sizes(part)}))
            entry = self.folder / key
            if self.find(key) is None:  # else another process was faster
                shutil.rmtree(entry, ignore_errors=True)
                part.rename(entry)
        except OSError as error:
            if self.find(key) is None:
                self._warn(error)
                return None
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self._remove_beyond_limit(entry)
        return self.find(key)

    def _warn(self, error: OSError) -> None:
        _log.warning("%s: prepared data cannot be kept there: %s", self.folder, error.strerror or error)

    def _remove_beyond_limit(self, new: Path) -> None:
        """Remove what was used longest ago, but not the entry that is new, and what killed processes left."""
        for part in self.folder.glob(f"{_UNFINISHED}*"):
            if time.time() - _time(part) > _ABANDONED_S:
                shutil.rmtree(part, ignore_errors=True)
        entries = sorted((note.parent for note in self.folder.glob(f"*/{_NOTE}")), key=lambda at: _time(at / _NOTE))
        sizes = {entry: sum(_sizes(entry).values()) for entry in entries}
        total = sum(sizes.values())
        for entry in entries:
            if total > self._limit and entry != new:
                shutil.rmtree(entry, ignore_errors=True)
                total -= sizes[entry]


def key_of(*parts: Any) -> str:
    """The key of what is made of these parts, which JSON can hold."""
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _sizes(entry: Path) -> dict[str, int]:
    """The sizes of an entry's files, the note left out."""
    return {file.name: file.stat().st_size for file in sorted(entry.iterdir()) if file.name != _NOTE}


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process removed it
        return 0.0
