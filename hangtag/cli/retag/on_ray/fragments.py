"""The output of a re-tag on Ray: a folder with one Parquet file for each piece, and what they were made with.

    retag.json             which release has tagged which files (`Made`), written first
    fragments/NAME.parquet products with their tags; a fragment that is there is complete

What `hangtag.export` writes is for people and warehouses; this holds what the store needs, and nothing else.
"""

import io
import os
import posixpath
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import fsspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from hangtag.cli.errors import CommandError
from hangtag.tags.schema import TagSchema
from hangtag.workers.retag import ReleaseTags

_MADE = "retag.json"
_FORMAT = 1
_COUNTS = b"hangtag.counts"
_ROWS = 1_024
_SHOWN = 20
_SCHEMA = pa.schema(
    {
        "product_id": pa.string(),
        # Null: the file did not say which version its text is of.
        "version": pa.int64(),
        "text_hash": pa.binary(),
        # A serialised ProductTags, whose version counts only where `version` is not null.
        "tags": pa.binary(),
    }
)


class Made(BaseModel):
    """What a folder of fragments was made with. Of the same, a run goes on; of anything else it is refused.

    Attributes:
        format: of the folder.
        bundle_version: of the bundle.
        sequence: place of its release in the order of releases; 0: it was not promoted.
        blocked_sequence: that of the last change of blocked tags.
        tag_schema: the bundle's, with the tags that were blocked.
        files: by path, the hash of the footer of each file.
        columns: the columns that hold the texts.
        fragments: how many fragments there will be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = _FORMAT
    bundle_version: str
    sequence: int
    blocked_sequence: int
    tag_schema: TagSchema
    files: dict[str, str]
    columns: dict[str, Any]
    fragments: int

    @property
    def release(self) -> ReleaseTags:
        """The release whose tags they are."""
        return ReleaseTags(self.bundle_version, self.sequence, self.blocked_sequence, self.tag_schema)


class Counts(NamedTuple):
    """What became of the rows of a fragment's piece: `failed` ones cannot be tagged, `unreadable` ones hold no text."""

    tagged: int
    failed: int
    unreadable: int


class Tagged(NamedTuple):
    """A row of a fragment; `tags` is a serialised `ProductTags`, `version` None if the file did not say it."""

    product_id: str
    version: int | None
    text_hash: bytes
    tags: bytes


class Fragments:
    """A folder of fragments, in a file system or an object store. Processes of several machines may write to it.

    Raises:
        CommandError: from every method, if the folder cannot be read or written.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._files, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            msg = f"the folder {url} cannot be used: {error}"
            raise CommandError(msg) from error
        self._root = root.rstrip("/")

    def made(self) -> Made | None:
        """What they were made with; None: there are none.

        Raises:
            CommandError: a later release of Hangtag has made them, or the file is damaged.
        """
        with self._reaching("read"):
            try:
                content = self._files.cat_file(self._path(_MADE))
            except FileNotFoundError:
                return None
        try:
            found = orjson.loads(content)
            if found.get("format") == _FORMAT:
                return Made.model_validate(found)
        except (ValueError, AttributeError, ValidationError) as error:
            msg = f"{self.url}/{_MADE} is damaged: {type(error).__name__}; run `hangtag retag run --on ray --restart`"
            raise CommandError(msg) from error
        msg = (
            f"{self.url} has the format {str(found.get('format'))[:20]}, this hangtag reads {_FORMAT}: upgrade hangtag"
        )
        raise CommandError(msg)

    def begin(self, made: Made, *, restart: bool) -> set[str]:
        """The names of the fragments that are there already. With `restart` none is: they are removed.

        Raises:
            CommandError: the folder holds fragments of something else.
        """
        found = None if restart else self.made()
        if found is not None and found != made:
            msg = (
                f"{self.url} holds what another re-tag has made ({_difference(found, made)}): "
                "name another folder with --to, or give --restart, which removes its fragments"
            )
            raise CommandError(msg)
        with self._reaching("write"):
            if restart and self._files.exists(self._path("fragments")):
                self._files.rm(self._path("fragments"), recursive=True)
            self._files.makedirs(self._path("fragments"), exist_ok=True)
        if found is None:
            self._write(_MADE, orjson.dumps(made.model_dump(mode="json"), option=orjson.OPT_INDENT_2))
        return self.names()

    def names(self) -> set[str]:
        """The names of all fragments that are there."""
        with self._reaching("read"):
            self._files.invalidate_cache()
            found = [posixpath.basename(str(path)) for path in self._files.ls(self._path("fragments"), detail=False)]
        return {name.removesuffix(".parquet") for name in found if name.endswith(".parquet")}

    def write(self, name: str, rows: Sequence[Tagged], counts: Counts) -> None:
        """Write a fragment, whole or not at all; one of the same name is replaced."""
        content = io.BytesIO()
        table = pa.Table.from_pylist([row._asdict() for row in rows], schema=_SCHEMA)
        table = table.replace_schema_metadata({_COUNTS: orjson.dumps(counts._asdict())})
        pq.write_table(table, content, compression="zstd")
        self._write(self._fragment(name), content.getvalue())

    def counts(self, name: str) -> Counts:
        """What became of the rows of a fragment's piece."""
        with self._reading(name) as file:
            return Counts(**orjson.loads(file.schema_arrow.metadata[_COUNTS]))

    def rows(self, name: str) -> Iterator[list[Tagged]]:
        """The rows of a fragment, some at a time."""
        with self._reading(name) as file:
            for batch in file.iter_batches(batch_size=_ROWS, use_threads=False):
                yield [Tagged(**row) for row in batch.to_pylist()]

    def _write(self, path: str, content: bytes) -> None:
        """An object appears whole in an object store; a file is renamed once it is whole."""
        whole = self._path(path)
        with self._reaching("write"):
            if "file" not in self._files.protocol:
                self._files.pipe_file(whole, content)
                return
            # A name of its own, so that two processes that write the same fragment do not write to one file.
            part = f"{whole}.{os.getpid()}.part"
            try:
                with open(part, "wb") as file:  # noqa: PTH123 (a path of fsspec)
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(part, whole)  # noqa: PTH105
            except BaseException:
                self._files.rm_file(part)
                raise

    @contextmanager
    def _reading(self, name: str) -> Iterator[pq.ParquetFile]:
        with (
            self._reaching("read"),
            self._files.open(self._path(self._fragment(name)), "rb") as source,
            pq.ParquetFile(source) as file,
        ):
            yield file

    @contextmanager
    def _reaching(self, verb: str) -> Iterator[None]:
        """Errors of file systems have no common base but these."""
        try:
            yield
        except CommandError:
            raise
        except Exception as error:
            msg = f"cannot {verb} the folder {self.url}: {type(error).__name__}: {error}"
            raise CommandError(msg) from error

    def _fragment(self, name: str) -> str:
        return f"fragments/{name}.parquet"

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"


def _difference(found: Made, wanted: Made) -> str:
    names = [name for name in Made.model_fields if getattr(found, name) != getattr(wanted, name)]
    return "other " + ", ".join(name.replace("_", " ") for name in names)
