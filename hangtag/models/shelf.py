"""The place for bundles: a folder or an object store, through fsspec.

    bundles/<version>.json   what a bundle is and which files it has (`Listed`), written last
    blobs/<sha256>           the content of a file, once for all bundles that have it

So bundles that differ only in their thresholds share the weights, and what was pushed half is never listed.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, NoReturn

import fsspec
from pydantic import ValidationError

from hangtag.bundle import Bundle, load_bundle
from hangtag.bundle.files import max_bytes
from hangtag.models.errors import LocalModelsError, ShelfError
from hangtag.models.fetching import fetch_into
from hangtag.models.listed import Facts, Listed, ShelfFile

_CHUNK: Final = 1 << 20
_MAX_LISTED_BYTES: Final = 8 << 20
_LEAST_PREFIX: Final = 4
_DESCRIBES = ("name", "created", "base_model", "data_fingerprint", "recipe", "metrics")


class Shelf:
    """Bundles in one place, by version: pushed once, never changed. Any thread may call.

    Raises:
        ShelfError: the URL cannot be used; the message names the library that is missing.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            msg = f"the place for models {url} cannot be used: {error}; write a folder, or a URL such as s3://bucket/models"
            raise ShelfError(msg) from error

    def push(self, folder: Path, facts: Facts) -> Listed:
        """Copy the bundle in a folder to the place; one of the same version that is there already stays as it is.

        Raises:
            BundleError: the folder does not hold an undamaged bundle.
            ShelfError: the place cannot be written; nothing of the bundle is listed.
        """
        bundle = load_bundle(folder)
        manifest = bundle.manifest
        there = self._listed(manifest.version)
        if there is None:
            files = tuple(_files_of(folder, manifest.files))
            described = manifest.model_dump(mode="json", include=set(_DESCRIBES))
            listed = Listed(
                version=manifest.version,
                integrity=manifest.integrity,
                files=files,
                manifest=described,
                blocked=bundle.schema.blocked,
                facts=facts,
            )
        else:
            listed = there  # what was lost of it since is written again
        with self._reaching("write"):
            self._files.makedirs(self._path("blobs"), exist_ok=True)
            self._files.makedirs(self._path("bundles"), exist_ok=True)
            for file in listed.files:
                if there is None or file in _files_of(folder, [file.name]):
                    self._put(folder / file.name, file)
            if there is None:
                self._files.pipe_file(self._marker(listed.version), listed.model_dump_json(indent=1).encode())
            self._files.invalidate_cache()
        return listed

    def list(self) -> list[Listed]:
        """Every bundle that was pushed whole, oldest first.

        Raises:
            ShelfError: the place cannot be read.
        """
        with self._reaching("read"):
            self._files.invalidate_cache()
            try:
                paths = [str(path) for path in self._files.ls(self._path("bundles"), detail=False)]
            except FileNotFoundError:
                return []
        names = [path.rsplit("/", 1)[-1] for path in paths]
        found = [self._listed(name.removesuffix(".json")) for name in names if name.endswith(".json")]
        return sorted(
            (listed for listed in found if listed is not None), key=lambda each: (each.facts.pushed_ms, each.version)
        )

    def facts(self, version: str) -> Listed:
        """What the place says about a bundle; `version` is its version or the first digits of it, at least 4.

        Raises:
            ShelfError: no bundle or several have this version, or the place cannot be read.
        """
        listed = self._listed(version) if len(version) == hashlib.sha256().digest_size * 2 else None
        if listed is not None:
            return listed
        found = [each for each in self.list() if each.version.startswith(version)]
        if len(version) < _LEAST_PREFIX or not found:
            msg = f"no bundle {version} in {self.url}; `hangtag model list` shows those that are there"
            raise ShelfError(msg)
        if len(found) > 1:
            shown = ", ".join(each.version[:16] for each in found)
            msg = f"several bundles begin with {version}: {shown}; write more digits"
            raise ShelfError(msg)
        return found[0]

    def check(self, version: str) -> Listed:
        """What `facts` returns, after a look that every file is there with its size; `fetch` checks their content.

        Raises:
            ShelfError: like `facts`, or a file is missing or was cut.
        """
        listed = self.facts(version)
        for file in listed.files:
            try:
                with self._reaching("read"):
                    size = self._files.size(self._path("blobs", file.sha256))
            except ShelfError as error:
                if not isinstance(error.__cause__, FileNotFoundError):
                    raise
                size = None
            if size != file.bytes:
                self._damaged(file, "is missing" if size is None else f"has {size} bytes instead of {file.bytes}")
        return listed

    def content(self, version: str, file: str) -> bytes:
        """The content of one file of a bundle, checked.

        Raises:
            ShelfError: the bundle has no such file, it is damaged, or the place cannot be read.
        """
        listed = self.facts(version)
        wanted = next((each for each in listed.files if each.name == file), None)
        if wanted is None:
            msg = f"bundle {listed.version[:12]} in {self.url} has no {file}"
            raise ShelfError(msg)
        parts: list[bytes] = []
        self._copy(wanted, parts.append)
        return b"".join(parts)

    def fetch(self, version: str, into: Path) -> Bundle:
        """Fetch a bundle into a folder, which it becomes: all of its files, each with its hash checked, or nothing.

        What `into` held before is replaced. Files are written to a folder beside it, which is then renamed.

        Raises:
            ShelfError: there is no such bundle, a file is damaged, or the place cannot be read.
            LocalModelsError: the files cannot be written.
            BundleError: the files are no bundle that this release can read.
        """
        listed = self.facts(version)
        return fetch_into(into, listed.files, self._copy, lambda folder: _checked(folder, listed))

    def _listed(self, version: str) -> Listed | None:
        """None: there is none, or a push of it was interrupted."""
        try:
            with self._reaching("read"):
                if self._files.size(self._marker(version)) > _MAX_LISTED_BYTES:
                    return None
                content = self._files.cat_file(self._marker(version))
        except ShelfError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise
        try:
            listed = Listed.model_validate_json(content)
        except ValidationError:
            return None
        return listed if listed.version == version else None

    def _put(self, path: Path, file: ShelfFile) -> None:
        blob = self._path("blobs", file.sha256)
        try:
            # Of another size: a push was interrupted.
            if self._files.size(blob) == file.bytes:
                return
        except FileNotFoundError:
            pass
        self._files.put_file(str(path), blob)
        if self._files.size(blob) != file.bytes:
            msg = f"{file.name} was not written completely"
            raise OSError(msg)

    def _copy(self, file: ShelfFile, write: Callable[[bytes], Any]) -> None:
        """Read a file in chunks; the errors of `write` are its own."""
        if file.bytes > max_bytes(file.name):
            self._damaged(file, f"has {file.bytes} bytes, more than a bundle may have")
        digest, length = hashlib.sha256(), 0
        with self._reaching("read"):
            source: IO[bytes] = self._files.open(self._path("blobs", file.sha256), "rb")
        with source:
            while True:
                with self._reaching("read"):
                    chunk = source.read(_CHUNK)
                if not chunk:
                    break
                length += len(chunk)
                if length > file.bytes:
                    break
                digest.update(chunk)
                write(chunk)
        if length != file.bytes or digest.hexdigest() != file.sha256:
            self._damaged(file, "does not have the content whose hash is its name")

    def _damaged(self, file: ShelfFile, what: str) -> NoReturn:
        msg = (
            f"{file.name} {what} ({self.url}/blobs/{file.sha256}): remove that file and push the bundle again from the "
            "folder where it was made"
        )
        raise ShelfError(msg)

    @contextmanager
    def _reaching(self, verb: str) -> Iterator[None]:
        """Errors of file systems have no common base but these."""
        try:
            yield
        except (ShelfError, LocalModelsError):
            raise
        except Exception as error:
            detail = f"{type(error).__name__}: {error}".rstrip(": ")
            msg = f"cannot {verb} the place for models {self.url}: {detail}; check HANGTAG_MODELS__STORE"
            raise ShelfError(msg) from error

    def _marker(self, version: str) -> str:
        return self._path("bundles", f"{version}.json")

    def _path(self, *parts: str) -> str:
        return "/".join((self._root.rstrip("/"), *parts))


def _files_of(folder: Path, names: Sequence[str]) -> Iterator[ShelfFile]:
    for name in names:
        if (folder / name).is_file():
            content = (folder / name).read_bytes()
            yield ShelfFile(name=name, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _checked(folder: Path, listed: Listed) -> Bundle:
    bundle = load_bundle(folder)
    if (bundle.version, bundle.manifest.integrity) != (listed.version, listed.integrity):
        msg = f"the bundle that was listed as {listed.version[:12]} is {bundle.version[:12]}: push it again"
        raise ShelfError(msg)
    return bundle
