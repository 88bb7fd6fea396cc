"""The rows of a labelled file (JSONL, CSV or Parquet), each with its line number; bad rows are reported and skipped."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from hangtag.trainer.errors import TrainerError
from hangtag.trainer.recipe.columns import Columns

MAX_ROW_BYTES = 1 << 20
_DELIMITERS = ",;\t"
_CSV_HINT = f"is a quote not closed, or a cell longer than {csv.field_size_limit():,} characters?"
_BOM = b"\xef\xbb\xbf"
_PARQUET_ROWS = 1_000
# If a file has no header, its first line is a product: messages do not show more of its text.
_MAX_NAME = 30


class LabelledFileError(TrainerError):
    """A labelled file cannot be used; the message names file, line and reason."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row's fields as in the file; `line` is its first line (Parquet: the row's number), counted from 1."""

    file: Path
    line: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and why."""

    file: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


def rows_of(path: Path, columns: Columns) -> Iterator[Row | BadRow]:
    """Read a file's rows. The name's suffix gives the format: `.csv`, `.tsv`, `.parquet`, else JSONL; optionally `.gz`.

    Raises:
        LabelledFileError: the file is missing or is not of its kind, or a table lacks a column.
    """
    if not path.is_file():
        msg = f"{path}: no such file"
        raise LabelledFileError(msg)
    kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if kind.lower() == ".parquet":
        return _parquet(path, columns)
    return _text(path, columns, is_table=kind.lower() in {".csv", ".tsv"})


def _text(path: Path, columns: Columns, *, is_table: bool) -> Iterator[Row | BadRow]:
    lines = _Lines(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            lines.file = cast("BinaryIO", file)
            yield from _csv(lines, columns) if is_table else _jsonl(lines)
    except (OSError, EOFError, zlib.error) as error:
        yield BadRow(path, lines.number + 1, f"the file cannot be read from here on: {error}")


class _Lines:
    """A file's lines as text. A line that is too long or not UTF-8 sets a reason, which `take_reason` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: BinaryIO
        self.number = 0
        self._reason: str | None = None

    def __iter__(self) -> Iterator[str]:
        while line := self.file.readline(MAX_ROW_BYTES + 1):
            self.number += 1
            if self.number == 1:
                line = line.removeprefix(_BOM)
            if len(line) > MAX_ROW_BYTES:
                self._reason = f"longer than {MAX_ROW_BYTES} bytes"
                while line and not line.endswith(b"\n"):
                    line = self.file.readline(MAX_ROW_BYTES)
                yield "\n"
                continue
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                self._reason = f"not UTF-8 at byte {error.start + 1}: save the file as UTF-8"
                yield line.decode(errors="replace")

    def take_reason(self) -> str | None:
        """Return what was wrong with the lines since the last call."""
        reason, self._reason = self._reason, None
        return reason


def _jsonl(lines: _Lines) -> Iterator[Row | BadRow]:
    for line in lines:
        if reason := lines.take_reason():
            yield BadRow(lines.path, lines.number, reason)
        elif line.strip():
            try:
                fields = json.loads(line)
            except json.JSONDecodeError as error:
                yield BadRow(lines.path, lines.number, f"not JSON: {error.msg} at column {error.pos + 1}")
                continue
            except (ValueError, RecursionError) as error:  # a number with too many digits, or too many brackets
                yield BadRow(lines.path, lines.number, f"not JSON: {error}")
                continue
            if isinstance(fields, dict):
                yield Row(lines.path, lines.number, fields)
            else:
                yield BadRow(lines.path, lines.number, "not a JSON object")


def _csv(lines: _Lines, columns: Columns) -> Iterator[Row | BadRow]:
    text = iter(lines)
    first = next(text, "")
    delimiter = max(_DELIMITERS, key=lambda each: len(next(csv.reader([first], delimiter=each), [])))
    header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    if not any(header):
        msg = f"{lines.path}: the first line is empty, but must name the columns"
        raise LabelledFileError(msg)
    _check_header(lines.path, header, columns)
    # Strict, because a quote that is never closed would otherwise silently swallow the rows after it.
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        first_line = lines.number + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            lines.take_reason()
            yield BadRow(lines.path, first_line, f"not CSV: {error}; {_CSV_HINT}")
            continue
        if cells is None:
            return
        if reason := lines.take_reason():
            yield BadRow(lines.path, first_line, reason)
        elif cells and len(cells) != len(header):
            yield BadRow(lines.path, first_line, f"has {len(cells)} cells, the header has {len(header)}")
        elif any(cells):
            yield Row(lines.path, first_line, dict(zip(header, cells, strict=True)))


def _parquet(path: Path, columns: Columns) -> Iterator[Row | BadRow]:
    import pyarrow as pa  # noqa: PLC0415 (loaded only to read Parquet)
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    number = 0
    try:
        with ParquetFile(path) as file:
            _check_header(path, file.schema_arrow.names, columns)
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS, use_threads=False):
                for fields in batch.to_pylist():
                    number += 1
                    if sum(len(value) for value in fields.values() if isinstance(value, str | bytes)) > MAX_ROW_BYTES:
                        yield BadRow(path, number, f"longer than {MAX_ROW_BYTES} bytes")
                    else:
                        yield Row(path, number, fields)
    except (pa.ArrowException, OSError) as error:
        msg = f"{path}: cannot be read as Parquet: {error}"
        raise LabelledFileError(msg) from error


def _check_header(path: Path, header: Sequence[str], columns: Columns) -> None:
    repeated = sorted({name for name in header if header.count(name) > 1} & columns.used)
    if repeated:
        msg = f"{path}: two columns are named {repeated[0]!r}: rename one"
        raise LabelledFileError(msg)
    missing = columns.missing_in(header)
    if missing:
        names = ", ".join(name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…" for name in header)
        msg = (
            f"{path}: missing columns: {', '.join(missing)}; found: {names}; map columns with --column (a facet's with "
            "--column facet.NAME=COLUMN), or name them in the first line"
        )
        raise LabelledFileError(msg)
