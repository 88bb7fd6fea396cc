"""The rows of an Excel workbook (`.xlsx`): those of its first sheet with content."""

import warnings
from collections.abc import Iterator
from datetime import date, time
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from hangtag.trainer.data.file_columns import FileColumns
from hangtag.trainer.data.lines import UNREADABLE
from hangtag.trainer.data.row import MAX_ROW_BYTES, BadRow, EmptyRow, LabelledFileError, Row

# What zipfile, the XML parser and openpyxl raise for a file that is no workbook, or a damaged one.
_DAMAGED = (
    *(*UNREADABLE, BadZipFile, LookupError, ValueError, ArithmeticError),
    *(RuntimeError, SyntaxError, TypeError, AttributeError),
)


def xlsx_rows(path: Path, columns: FileColumns) -> Iterator[Row | BadRow | EmptyRow]:
    """Read the first sheet that has content; its first row with content names the columns.

    Cells are read as they are stored: a number without a fraction as an integer, a formula as its last result.

    Raises:
        LabelledFileError: it is no workbook, or lacks a column.
    """
    try:
        from openpyxl import load_workbook  # type: ignore[import-untyped] # noqa: PLC0415 (rarely needed)
    except ImportError as error:
        msg = f"{path}: reading Excel needs openpyxl: pip install openpyxl, or save the sheet as CSV"
        raise LabelledFileError(msg) from error

    number = 0
    header: list[str] = []
    try:
        with warnings.catch_warnings(action="ignore"), path.open("rb") as file:  # styles, validation: not cells
            book = load_workbook(file, read_only=True, data_only=True)
            for sheet in book.worksheets:
                for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
                    cells = [_text(value) for value in values]
                    if not any(map(str.strip, cells)):
                        if header:
                            yield EmptyRow(path, number)
                    elif not header:
                        header = _header(cells)
                        columns.see(path, header, is_table=True)
                    else:
                        yield _row(path, number, header, cells, columns)
                if header:
                    return
    except _DAMAGED as error:
        if header:
            yield BadRow(path, number + 1, f"the workbook cannot be read from here on: {error}")
            return
        msg = f"{path}: cannot be read as an Excel workbook (.xlsx): {error}"
        raise LabelledFileError(msg) from error
    msg = f"{path}: no sheet has content"
    raise LabelledFileError(msg)


def _header(cells: list[str]) -> list[str]:
    while not cells[-1].strip():
        cells.pop()
    return [" ".join(name.split()) for name in cells]


def _row(path: Path, number: int, header: list[str], cells: list[str], columns: FileColumns) -> Row | BadRow | EmptyRow:
    if any(map(str.strip, cells[len(header) :])):
        return BadRow(path, number, f"has {len(cells)} cells, the header has {len(header)}")
    if sum(map(len, cells)) > MAX_ROW_BYTES:
        return BadRow(path, number, f"longer than {MAX_ROW_BYTES} bytes")
    cells += [""] * (len(header) - len(cells))
    return columns.row(Row(path, number, dict(zip(header, cells, strict=False))))


def _text(value: Any) -> str:
    """The cell as a text: Excel stores `2048` as a number, be it an id, a title or a size."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, date | time):  # datetime is a date
        return value.isoformat()
    return str(value)
