"""The rows of a labelled file of any format: usable, bad or empty, each with its line number."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from hangtag.trainer.data.file_columns import FileColumns
from hangtag.trainer.data.json_array import array_rows, is_array
from hangtag.trainer.data.lines import UNREADABLE, Lines
from hangtag.trainer.data.parquet import parquet_rows
from hangtag.trainer.data.row import BadRow, EmptyRow, LabelledFileError, Row
from hangtag.trainer.data.table import table_rows
from hangtag.trainer.data.xlsx import xlsx_rows
from hangtag.trainer.data.xml_feed import xml_rows
from hangtag.trainer.recipe.columns import Columns

_TABLES = frozenset({".csv", ".tsv"})


class RowsOf:
    """A file's rows, to be read once. Every row of the file is among them: as a row, a bad row or an empty row.

    The name's suffix gives the format: `.csv`, `.tsv`, `.parquet`, `.xlsx`, `.xml`, else JSON, one object a line or one
    array; all but `.parquet` and `.xlsx` optionally with `.gz`. `encoding` is the one that was used, and `is_detected`
    says whether it was a guess from the letters in the file; `mapping` has the file's own columns. They are set when
    the reading starts. `any_columns` reads files that lack columns, to find out what they hold.
    """

    def __init__(self, path: Path, columns: Columns, *, any_columns: bool = False) -> None:
        self._path = path
        self.mapping = FileColumns(columns, any_columns=any_columns)
        self.encoding = ""
        self.is_detected = False

    def __iter__(self) -> Iterator[Row | BadRow | EmptyRow]:
        """Read the rows.

        Raises:
            LabelledFileError: the file is missing or is not of its kind, or a table lacks a column.
        """
        path = self._path
        if not path.is_file():
            msg = f"{path}: no such file"
            raise LabelledFileError(msg)
        kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
        if kind.lower() == ".parquet":
            yield from parquet_rows(path, self.mapping)
        elif kind.lower() == ".xlsx":
            yield from xlsx_rows(path, self.mapping)
        else:
            yield from self._text(kind.lower())

    def _text(self, kind: str) -> Iterator[Row | BadRow | EmptyRow]:
        line = count = 0
        try:
            with gzip.open(self._path) if self._path.suffix == ".gz" else self._path.open("rb") as file:
                if kind == ".xml":
                    for row in xml_rows(self._path, file, self.mapping):
                        yield row
                        line = count = row.line
                    return
                lines = Lines(self._path, file, self.mapping.columns.encoding, may_be_code_page=kind in _TABLES)
                self.encoding, self.is_detected = lines.encoding, lines.is_detected
                for row in table_rows(lines, self.mapping) if kind in _TABLES else self._json(lines):
                    yield row
                    line, count = lines.number, count + 1
        except UNREADABLE as error:
            reason = f"the file cannot be read from here on: {error}; {count:,} rows were read before"
            yield BadRow(self._path, line + 1, reason)

    def _json(self, lines: Lines) -> Iterator[Row | BadRow | EmptyRow]:
        is_one = is_array(lines.beginning)
        rows = array_rows(self._path, lines.pieces()) if is_one else _jsonl(lines)
        is_first = True
        for row in rows:
            if isinstance(row, Row) and is_first:
                self.mapping.see(self._path, list(row.fields), is_table=False)
                is_first = False
            yield self.mapping.row(row) if isinstance(row, Row) else row


def _jsonl(lines: Lines) -> Iterator[Row | BadRow | EmptyRow]:
    for line in lines:
        if line.problem:
            yield BadRow(lines.path, line.number, line.problem, line.text)
        elif not line.text.strip():
            yield EmptyRow(lines.path, line.number)
        else:
            yield _json_row(lines.path, line.number, line.text)


def _json_row(path: Path, number: int, text: str) -> Row | BadRow:
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        return BadRow(path, number, f"not JSON: {error.msg} at column {error.pos + 1}", text)
    except (ValueError, RecursionError) as error:  # a number with too many digits, or too many brackets
        return BadRow(path, number, f"not JSON: {error}", text)
    return Row(path, number, fields) if isinstance(fields, dict) else BadRow(path, number, "not a JSON object", text)
