"""The rows of a Parquet file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangtag.trainer.data.file_columns import FileColumns
from hangtag.trainer.data.row import MAX_ROW_BYTES, BadRow, EmptyRow, LabelledFileError, Row

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 1_000
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
        with ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns.see(path, names, is_table=True)
            for batch in file.iter_batches(batch_size=_ROWS, use_threads=False):
                for values in zip(*map(_values, batch.columns), strict=True):
                    number += 1
                    row = _row(path, number, dict(zip(names, values, strict=True)))
                    yield columns.row(row) if isinstance(row, Row) else row
            stated = file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        msg = f"{path}: cannot be read as Parquet: {error}"
        raise LabelledFileError(msg) from error
    if number != stated:
        msg = f"{path}: has {number:,} rows, but states {stated:,}: write the file again"
        raise LabelledFileError(msg)


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
