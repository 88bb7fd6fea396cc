"""The rows of a Parquet file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangtag.trainer.data.file_columns import FileColumns
from hangtag.trainer.data.row import MAX_ROW_BYTES, BadRow, EmptyRow, LabelledFileError, Row

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

_ROWS = 1_000
_BUFFER_BYTES = 1 << 20
# pyarrow raises them for values that Python's types cannot hold, such as a date after the year 9999.
_NO_PYTHON_VALUE = (ValueError, OverflowError)


def parquet_rows(path: Path, columns: FileColumns) -> Iterator[Row | BadRow | EmptyRow]:
    """Read a Parquet file.

    Raises:
        LabelledFileError: it is not Parquet, has fewer rows than it states, or lacks a column.
    """
    import pyarrow as pa  # noqa: PLC0415 (loaded only to read Parquet)
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    number = 0
    try:
        # Otherwise whole columns of a group of rows, which may be all rows, are in memory.
        with ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
            columns.see(path, file.schema_arrow.names, is_table=True)
            for row in rows_within(path, file, columns):
                number += 1
                yield row
            stated = file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        msg = f"{path}: cannot be read as Parquet: {error}"
        raise LabelledFileError(msg) from error
    if number != stated:
        msg = f"{path}: has {number:,} rows, but states {stated:,}: write the file again"
        raise LabelledFileError(msg)


def rows_within(
    path: Path, file: "ParquetFile", columns: FileColumns, row_group: int | None = None, first: int = 0
) -> Iterator[Row | BadRow | EmptyRow]:
    """The rows of an open Parquet file, or of one of its row groups without the `first` ones of it.

    `columns` have seen the file's columns. Raises what pyarrow raises.
    """
    groups = None if row_group is None else [row_group]
    names = file.schema_arrow.names
    number = 0
    for batch in file.iter_batches(batch_size=_ROWS, row_groups=groups, use_threads=False):
        left_out = min(batch.num_rows, max(0, first - number))
        number += left_out
        if left_out == batch.num_rows:
            continue
        for values in zip(*(_values(column) for column in batch.slice(left_out).columns), strict=True):
            number += 1
            row = _row(path, number, dict(zip(names, values, strict=True)))
            yield columns.row(row) if isinstance(row, Row) else row


def _row(path: Path, number: int, fields: dict[str, Any]) -> Row | BadRow | EmptyRow:
    if all(value is None or (isinstance(value, str) and not value.strip()) for value in fields.values()):
        return EmptyRow(path, number)
    if sum(len(value) for value in fields.values() if isinstance(value, str | bytes)) > MAX_ROW_BYTES:
        return BadRow(path, number, f"longer than {MAX_ROW_BYTES} bytes")
    return Row(path, number, fields)


def _values(column: "pa.Array") -> list[Any]:
    try:
        return list(column.to_pylist())
    except _NO_PYTHON_VALUE:
        return [_value(each) for each in column]


def _value(cell: "pa.Scalar") -> Any:
    """A cell as a Python value; a date that Python cannot hold as its number and type."""
    try:
        return cell.as_py()
    except _NO_PYTHON_VALUE:
        return f"{getattr(cell, 'value', 'unknown')} ({cell.type})"
