"""The file of an export: JSON lines or Parquet, by its name."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from hangtag.export.errors import ExportError

Rows = Sequence[dict[str, Any]]
Write = Callable[[Rows], None]


def suffix_of(path: Path) -> str:
    """`.jsonl` or `.parquet`.

    Raises:
        ExportError: the name ends in another way, or pyarrow is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in _OPENERS:
        msg = f"{path}: the name must end in {' or '.join(_OPENERS)}, which chooses the format"
        raise ExportError(msg)
    if suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401, PLC0415
        except ImportError as error:
            msg = "a Parquet file needs packages that are not installed; a .jsonl file does not"
            raise ExportError(msg, missing_extra="export") from error
    return suffix


@contextmanager
def open_file(path: Path, notes: dict[str, str]) -> Iterator[Write]:
    """A function that writes rows. The file appears, complete, when the block ends; after an error there is none.

    `notes` become the metadata of a Parquet file.

    Raises:
        ExportError: the file cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with _OPENERS[suffix_of(path)](part, notes) as write:
            yield write
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror or error}"
        raise ExportError(msg) from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _json_lines(path: Path, _: dict[str, str]) -> Iterator[Write]:
    with path.open("wb") as file:
        yield lambda rows: file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


@contextmanager
def _parquet(path: Path, notes: dict[str, str]) -> Iterator[Write]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    def group(**fields: Any) -> Any:
        return pa.list_(pa.struct(fields))

    tag = {"facet": pa.string(), "value": pa.string(), "confidence": pa.float32(), "source": pa.string()}
    schema = pa.schema(
        {
            "product_id": pa.string(),
            "version": pa.int64(),
            "sequence": pa.int64(),
            "revision": pa.int64(),
            "tags": group(**tag),
            "review": group(**tag),
            "no_tags_reason": pa.string(),
            "language": pa.string(),
            "bundle_version": pa.string(),
            "tagged_at": pa.timestamp("ms", tz="UTC"),
            "decisions": group(facet=pa.string(), value=pa.string(), is_accepted=pa.bool_()),
        },
        metadata=notes,
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield lambda rows: writer.write_table(pa.Table.from_pylist(list(rows), schema=schema))


_OPENERS = {".jsonl": _json_lines, ".parquet": _parquet}
