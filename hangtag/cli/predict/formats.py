"""The formats of a result: JSON lines, a table as CSV or TSV, Parquet."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangtag.cli.errors import CommandError
from hangtag.cli.installed import how_to_install

if TYPE_CHECKING:
    import pyarrow as pa

    from hangtag.tags.schema import TagSchema

SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
# Between the values of a facet in one cell of a table, as in labelled files.
_SEPARATOR = "|"
_ROWS = 10_000

# A facet, and what of its tags a column holds.
Column = tuple[str, str]


def check_format(out: Path, source: Path) -> None:
    """Check before the work that the result can be written in the format that the suffix of `out` names.

    Raises:
        CommandError: the suffix names no format, or pyarrow is needed and not installed.
    """
    if out.suffix.lower() not in SUFFIXES:
        msg = f"{out}: name a file that ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} with --out"
        raise CommandError(msg)
    if ".parquet" in {out.suffix.lower(), source.suffix.lower()}:
        try:
            import pyarrow  # noqa: F401, ICN001, PLC0415 (loaded only for Parquet, to see whether it is installed)
        except ImportError as error:
            msg = f"Parquet needs pyarrow, which is in the extra train; install it with {how_to_install('train')}"
            raise CommandError(msg) from error


def columns_of(schema: "TagSchema", *, with_candidates: bool) -> list[Column]:
    """The columns of a table with the tags of a schema: a facet's values, confidences, bands and candidates."""
    parts = ("value", "confidence", "band", *(("candidates",) if with_candidates else ()))
    return [(facet.name, part) for facet in schema.facets for part in parts]


def write_result(predictions: Iterable[dict[str, Any]], out: Path, kind: str, columns: Sequence[Column]) -> None:
    """Write all predictions to `out` as Parquet (`.parquet`) or as a table with these columns (`.csv`, `.tsv`)."""
    if kind == ".parquet":
        _write_parquet(predictions, out)
    else:
        _write_table(predictions, out, columns, "\t" if kind == ".tsv" else ",")


def _write_table(predictions: Iterable[dict[str, Any]], out: Path, columns: Sequence[Column], delimiter: str) -> None:
    names = [facet if part == "value" else f"{facet}.{part}" for facet, part in columns]
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(["line", "product_id", *names, "bundle_version", "error"])
        for each in predictions:
            cells = (_cell(each, *column) for column in columns)
            writer.writerow([each["line"], each["product_id"], *cells, each["bundle_version"], each["error"]])


def _cell(prediction: Mapping[str, Any], facet: str, part: str) -> str:
    if part == "candidates":
        candidates = (tag for tag in prediction["candidates"] if tag["facet"] == facet)
        return _SEPARATOR.join(f"{tag['value']} {tag['confidence']}" for tag in candidates)
    tags = (tag for name in ("tags", "review") for tag in prediction[name] if tag["facet"] == facet)
    return _SEPARATOR.join(str(tag[part]) for tag in tags)


def _write_parquet(predictions: Iterable[dict[str, Any]], out: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415 (loaded only for Parquet)
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

    schema = _parquet_schema()
    rows = iter(predictions)
    with ParquetWriter(out, schema) as writer:
        while piece := list(islice(rows, _ROWS)):
            writer.write_table(pa.Table.from_pylist(piece, schema))


def _parquet_schema() -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415

    tags = pa.list_(
        pa.struct(
            [
                *((name, pa.string()) for name in ("facet", "value")),
                ("confidence", pa.float32()),
                *((name, pa.string()) for name in ("source", "band")),
            ]
        )
    )
    return pa.schema(
        [
            ("line", pa.int64()),
            ("product_id", pa.string()),
            *((name, tags) for name in ("tags", "review", "candidates")),
            ("bundle_version", pa.string()),
            ("error", pa.string()),
        ]
    )
