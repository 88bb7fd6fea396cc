"""The formats of a result: JSON lines, a table as CSV or TSV, Parquet."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangtag.cli.errors import CommandError
from hangtag.cli.installed import how_to_install

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
# Between the values of a facet in one cell of a table, as in labelled files.
_SEPARATOR = "|"
_ROWS = 10_000


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


def write_result(predictions: Iterable[dict[str, Any]], out: Path, kind: str, facets: Sequence[str]) -> None:
    """Write all predictions to `out` as a table (`.csv`, `.tsv`) or as Parquet (`.parquet`)."""
    if kind == ".parquet":
        _write_parquet(predictions, out)
    else:
        _write_table(predictions, out, facets, "\t" if kind == ".tsv" else ",")


def _write_table(predictions: Iterable[dict[str, Any]], out: Path, facets: Sequence[str], delimiter: str) -> None:
    parts = ("", ".confidence", ".band", ".candidates")
    columns = [f"{facet}{part}" for facet in facets for part in parts]
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(["line", "product_id", *columns, "bundle_version", "error"])
        for each in predictions:
            cells = [cell for facet in facets for cell in _cells(each, facet)]
            writer.writerow([each["line"], each["product_id"], *cells, each["bundle_version"], each["error"]])


def _cells(prediction: Mapping[str, Any], facet: str) -> Iterator[str]:
    """A facet's values, their confidences, their bands, and its candidates with their confidences."""
    tags = [tag for name in ("tags", "review") for tag in prediction[name] if tag["facet"] == facet]
    for part in ("value", "confidence", "band"):
        yield _SEPARATOR.join(str(tag[part]) for tag in tags)
    candidates = (tag for tag in prediction["candidates"] if tag["facet"] == facet)
    yield _SEPARATOR.join(f"{tag['value']} {tag['confidence']}" for tag in candidates)


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
