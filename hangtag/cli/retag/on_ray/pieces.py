"""The Parquet files whose products are tagged, and the pieces that they are tagged in."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import fsspec
from pyarrow.parquet import ParquetFile

from hangtag.cli.errors import CommandError
from hangtag.cli.retag.file_source import source_text_of
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.file_columns import FileColumns
from hangtag.trainer.data.labelled import LabelledRow, labelled_row
from hangtag.trainer.data.parquet import rows_within
from hangtag.trainer.data.row import BadRow, EmptyRow, LabelledFileError
from hangtag.trainer.recipe.columns import Columns
from hangtag.workers.retag import SourceText

# A core tags as many in a minute: that much is lost of a piece that is interrupted.
ROWS_A_PIECE = 10_000
# The length of the footer, and the mark of the format.
_FOOTER_END = 8
_SUFFIX = ".parquet"


class Piece(NamedTuple):
    """`rows` rows of one row group of a file, without the `first` ones of it. `name` is also that of its fragment."""

    name: str
    path: str
    group: int
    first: int
    rows: int


class Pieces(NamedTuple):
    """All pieces in their order, and the hash of each file's footer, which changes with the content of the file."""

    pieces: list[Piece]
    footers: dict[str, str]


@dataclass(frozen=True, slots=True)
class ParquetFiles:
    """A Parquet file, or the Parquet files of a folder and its folders, in a file system or an object store.

    `columns` names the columns that hold the texts, for all files.
    """

    url: str
    columns: Columns

    def pieces(self, rows_a_piece: int = ROWS_A_PIECE) -> Pieces:
        """Look at all files; the same files give the same pieces.

        Raises:
            CommandError: there are no such files, or one cannot be read or lacks a column.
        """
        pieces: list[Piece] = []
        footers = {}
        for path in self._paths():
            with self._reading(path) as (source, file, _):
                metadata = file.metadata
                rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
                footers[path] = _footer_hash(source)
            for group, count in enumerate(rows):
                for first in range(0, count, rows_a_piece):
                    pieces.append(Piece(f"{len(pieces):08d}", path, group, first, min(rows_a_piece, count - first)))
        return Pieces(pieces, footers)

    def texts(self, piece: Piece) -> Iterator[SourceText | None]:
        """The products of a piece; None for a row that has none. Empty rows are left out.

        Raises:
            CommandError: the file cannot be read, or has fewer rows than it had.
        """
        with self._reading(piece.path) as (_, file, columns):
            count = 0
            for row in islice(rows_within(Path(piece.path), file, columns, piece.group, piece.first), piece.rows):
                count += 1
                if isinstance(row, EmptyRow):
                    continue
                found = row if isinstance(row, BadRow) else labelled_row(row, columns.columns)
                text = found.product.text if isinstance(found, LabelledRow) else ProductText("")
                yield source_text_of(found, text)
            if count != piece.rows:
                msg = f"{piece.path}: row group {piece.group} has fewer rows than it had"
                raise CommandError(msg)

    def _paths(self) -> list[str]:
        try:
            files, root = fsspec.core.url_to_fs(self.url)
            found = [root] if files.isfile(root) else files.find(root)
        except Exception as error:
            msg = f"{self.url} cannot be read: {type(error).__name__}: {error}"
            raise CommandError(msg) from error
        paths = sorted(str(path) for path in found if str(path).lower().endswith(_SUFFIX))
        if not paths:
            msg = f"{self.url}: there is no {_SUFFIX} file; name a Parquet file or a folder with such files"
            raise CommandError(msg)
        return paths

    @contextmanager
    def _reading(self, path: str) -> Iterator[tuple[Any, ParquetFile, FileColumns]]:
        """File systems and pyarrow have no common base of their errors."""
        try:
            files, _ = fsspec.core.url_to_fs(self.url)
            with files.open(path, "rb") as source, ParquetFile(source) as file:
                columns = FileColumns(self.columns)
                columns.see(Path(path), file.schema_arrow.names, is_table=True)
                yield source, file, columns
        except CommandError:
            raise
        except LabelledFileError as error:
            raise CommandError(str(error)) from error
        except Exception as error:
            msg = f"{path} cannot be read as Parquet: {type(error).__name__}: {error}"
            raise CommandError(msg) from error


def _footer_hash(source: Any) -> str:
    """SHA-256 of the footer, which says where every column of every row group is, and what it holds at least."""
    source.seek(0, 2)
    size = source.tell()
    source.seek(size - _FOOTER_END)
    length = int.from_bytes(source.read(4), "little")
    source.seek(max(0, size - _FOOTER_END - length))
    return hashlib.sha256(source.read()).hexdigest()
