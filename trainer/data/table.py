"""The rows of a CSV or TSV file."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hangtag.trainer.data.file_columns import FileColumns
from hangtag.trainer.data.lines import Line, Lines
from hangtag.trainer.data.row import BadRow, EmptyRow, LabelledFileError, Row

_DELIMITERS = ",;\t|"
_SEP = re.compile(r'"?sep=(?P<delimiter>[^\w\s"]|\t)"?[;,\t]*[\r\n]*', re.IGNORECASE)
_HINT = f"is a quote not closed, or a cell longer than {csv.field_size_limit():,} characters?"


def table_rows(lines: Lines, columns: FileColumns) -> Iterator[Row | BadRow | EmptyRow]:
    """Read a table whose first record names the columns. Before it may stand Excel's line `sep=;`.

    Raises:
        LabelledFileError: the first record names no columns, or a column is missing.
    """
    records = _Records(lines)
    # The delimiter that separates the most names.
    delimiter = records.given_delimiter() or max(_DELIMITERS, key=lambda each: len(records.peek(each).cells))
    first = records.take(delimiter)
    header = [" ".join(name.split()) for name in first.cells]
    if first.problem:
        msg = f"{lines.path}, line {first.number}: {first.problem}"
        raise LabelledFileError(msg)
    if not any(header):
        msg = f"{lines.path}: the first line is empty, but must name the columns"
        raise LabelledFileError(msg)
    columns.see(lines.path, header, is_table=True)
    product_id = columns.columns.product_id
    id_at = header.index(product_id) if product_id in header else 0
    shape = _Shape(delimiter, len(header), id_at)
    while (record := records.take(delimiter)).lines:
        cells, number = record.cells, record.number
        if not record.problem and shape.has_joined(record):
            last = record.lines[-1].number
            problem = f"a quote that opens here joins it with the rows down to line {last}: close or double the quote"
            record = _Record(record.lines, problem=problem, is_first_alone=True)
        if record.is_first_alone:
            records.put_back(record.lines[1:])
        if record.problem:
            refused = record.lines[:1] if record.is_first_alone else record.lines
            yield BadRow(lines.path, number, record.problem, _text_of(refused))
        elif not any(cell.strip() for cell in cells):
            yield EmptyRow(lines.path, number)
        elif len(cells) != len(header):
            reason = f"has {len(cells)} cells, the header has {len(header)}"
            yield BadRow(lines.path, number, reason, _text_of(record.lines))
        else:
            yield columns.row(Row(lines.path, number, dict(zip(header, cells, strict=True))))


def _text_of(lines: Sequence[Line]) -> str:
    return "".join(line.text for line in lines)


@dataclass(frozen=True, slots=True)
class _Record:
    """The lines of a record, and its cells or what is wrong; `is_first_alone` if that concerns only the first line."""

    lines: Sequence[Line]
    cells: Sequence[str] = ()
    problem: str = ""
    is_first_alone: bool = False

    @property
    def number(self) -> int:
        return self.lines[0].number if self.lines else 1


class _Records:
    """Splits lines into records; a quoted cell may continue on the next line."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = iter(lines)
        self._ahead: deque[Line] = deque()

    def take(self, delimiter: str) -> _Record:
        """The next record; without lines at the end of the file."""
        taken: list[Line] = []
        # Strict, because a quote that is never closed would otherwise silently swallow the rows after it.
        reader = csv.reader(self._texts(taken), delimiter=delimiter, strict=True)
        try:
            cells = next(reader, [])
        except csv.Error as error:
            # Where such a record ends is not known. The next line is read as the next record.
            problem = next((line.problem for line in taken[:1] if line.problem), f"not CSV: {error}; {_HINT}")
            return _Record(taken, problem=problem, is_first_alone=True)
        return _Record(taken, cells, next((line.problem for line in taken if line.problem), ""))

    def peek(self, delimiter: str) -> _Record:
        """The next record, which stays the next one."""
        record = self.take(delimiter)
        self.put_back(record.lines)
        return record

    def given_delimiter(self) -> str:
        """The delimiter in a first line `sep=;`, which is skipped; empty if there is none."""
        line = next(self._lines, None)
        found = _SEP.fullmatch(line.text) if line else None
        if line and not found:
            self.put_back([line])
        return found["delimiter"] if found else ""

    def put_back(self, lines: Sequence[Line]) -> None:
        """Make these lines the next ones."""
        self._ahead.extendleft(reversed(lines))

    def _texts(self, taken: list[Line]) -> Iterator[str]:
        while line := self._ahead.popleft() if self._ahead else next(self._lines, None):
            taken.append(line)
            yield line.text


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a row looks like without quotes: the delimiter, the number of cells, the place of the product id."""

    delimiter: str
    cells: int
    id_at: int

    def has_joined(self, record: _Record) -> bool:
        """True if a record of several lines is more likely several rows, joined by a quote that belongs to a text.

        In a table with tabs, which texts hardly contain, and where the number of cells is wrong, one line that looks
        like a row is enough. Elsewhere every line must.
        """
        if len(record.lines) == 1 or self.cells == 1:
            return False
        is_one_enough = self.delimiter == "\t" or len(record.cells) != self.cells
        return any(map(self._is_row, record.lines[1:])) if is_one_enough else all(map(self._is_row, record.lines))

    def _is_row(self, line: Line) -> bool:
        cells = line.text.split(self.delimiter)
        return len(cells) == self.cells and len(cells[self.id_at].strip().strip('"').split()) == 1
