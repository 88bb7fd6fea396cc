"""Bundles that were fetched to this machine, and the last pointer that worked here.

bundles/<version>/    a bundle
last/<route>.json     the last pointer whose bundle was in use here
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hangtag.bundle import Bundle, BundleError, load_bundle
from hangtag.bundle.files import MANIFEST
from hangtag.models.errors import LocalModelsError, ModelsError
from hangtag.models.fetching import PARTIAL
from hangtag.models.pointer import Pointer
from hangtag.models.shelf import Shelf

# Bundles that stay, beside those that are needed: going back to one of them needs no download.
_KEPT = 2


class LocalModels:
    """A folder with fetched bundles. Processes may share it; any thread may call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser()
        self._bundles, self._last = self.folder / "bundles", self.folder / "last"

    def path_of(self, version: str) -> Path:
        """The folder of a bundle, whether it is there or not."""
        return self._bundles / version

    def get(self, version: str, shelf: Shelf) -> Path:
        """The folder of a bundle; see `load`."""
        self.load(version, shelf)
        return self.path_of(version)

    def load(self, version: str, shelf: Shelf) -> Bundle:
        """A bundle, read once; it is fetched if it is not there undamaged. Of processes one fetches.

        Raises:
            ShelfError: the place for bundles cannot be read, or the bundle is missing or damaged there.
            LocalModelsError: it cannot be written.
            BundleError: it is no bundle that this release can read.
        """
        path = self.path_of(version)
        with self._locked(version):
            bundle = _undamaged(path, version)
            if bundle is None:
                return shelf.fetch(version, path)
            with suppress(OSError):
                os.utime(path)
            return bundle

    def last_good(self, route: str = "default") -> tuple[Pointer, Path] | None:
        """The last pointer that was kept, and the folder of its bundle; None: there is none, or the bundle is gone."""
        try:
            pointer = Pointer.of((self._last / f"{route}.json").read_bytes())
        except (OSError, ModelsError):
            return None
        path = self.path_of(pointer.bundle_version)
        return (pointer, path) if (path / MANIFEST).is_file() else None

    def keep(self, pointer: Pointer) -> None:
        """Note that the pointer's bundle works here.

        Raises:
            LocalModelsError: it cannot be written.
        """
        try:
            self._last.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=PARTIAL, dir=self._last)
            part = Path(name)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(pointer.to_json() + "\n")
                    file.flush()
                    os.fsync(file.fileno())
                part.rename(self._last / f"{pointer.route}.json")
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            msg = f"{self._last} cannot be written: {error.strerror}; set HANGTAG_MODELS__CACHE_DIR"
            raise LocalModelsError(msg) from error

    def prune(self, in_use: Collection[str]) -> list[str]:
        """Remove bundles and return their versions: all but those in use, each route's last good one, and two more.

        What is left of interrupted fetches goes too. A folder that cannot be removed stays.
        """
        needed = {*in_use}
        for path in self._last.glob("*.json") if self._last.is_dir() else ():
            last = self.last_good(path.stem)
            if last is not None:
                needed.add(last[0].bundle_version)
        removed: list[str] = []
        found = [path for path in self._bundles.iterdir() if path.is_dir()] if self._bundles.is_dir() else []
        for part in (path for path in found if path.name.startswith(PARTIAL)):
            version = part.name.removeprefix(PARTIAL).partition("-")[0]
            with self._locked(version):  # nobody is fetching it now
                shutil.rmtree(part, ignore_errors=True)
        others = [path for path in found if not path.name.startswith(PARTIAL) and path.name not in needed]
        for path in sorted(others, key=lambda each: each.stat().st_mtime, reverse=True)[_KEPT:]:
            with self._locked(path.name):
                shutil.rmtree(path, ignore_errors=True)
            removed.append(path.name)
        return removed

    @contextmanager
    def _locked(self, version: str) -> Iterator[None]:
        try:
            self._bundles.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._bundles / f".lock-{version}", os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            msg = (
                f"{self._bundles} cannot be written: {error.strerror}; set HANGTAG_MODELS__CACHE_DIR to a folder of "
                "this user"
            )
            raise LocalModelsError(msg) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _undamaged(path: Path, version: str) -> Bundle | None:
    if not path.is_dir():
        return None
    try:
        bundle = load_bundle(path)
    except BundleError:
        return None
    return bundle if bundle.version == version else None
