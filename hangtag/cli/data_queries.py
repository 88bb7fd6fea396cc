"""`hangtag data queries`: labelled texts from a shop's log of queries."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from hangtag.cli.console import plain_console
from hangtag.cli.data_files import ColumnFile, mapping, read
from hangtag.cli.errors import CommandError
from hangtag.cli.options import ColumnNames
from hangtag.cli.trainer_command import trainer_command

if TYPE_CHECKING:
    from hangtag.trainer.data.click_log import ClickLog

# Bad rows that are printed.
_MOST_SHOWN = 20


def queries(
    log: Annotated[
        Path,
        typer.Argument(metavar="LOG", help="JSON, CSV, Excel or Parquet file: a query and a chosen product per row."),
    ],
    products: Annotated[
        list[Path], typer.Option(metavar="FILE", help="Labelled file with the products of the log. Repeatable.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="JSONL file for the labelled queries.")],
    query_column: Annotated[
        str, typer.Option(metavar="NAME", help="Column of the log with the query or question.")
    ] = "query",
    product_column: Annotated[
        str, typer.Option(metavar="NAME", help="Column of the log with the id of the product that was chosen.")
    ] = "product_id",
    count_column: Annotated[
        str, typer.Option(metavar="NAME", help="Column with the number of times; if it is missing, a row counts once.")
    ] = "count",
    fewest: Annotated[int, typer.Option(metavar="N", min=1, help="Fewest choices from which a facet is labelled.")] = 2,
    agreement: Annotated[
        float,
        typer.Option(metavar="FRACTION", min=0.5, max=1, help="Share of the choices that must have the same tag."),
    ] = 0.8,
    attribute: Annotated[
        list[str] | None,
        typer.Option(metavar="FACET", help="Facet such as color, labelled only if the query names it. Repeatable."),
    ] = None,
    held_out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a part of the queries as judged texts, to evaluate.")
    ] = None,
    share: Annotated[
        float, typer.Option(metavar="FRACTION", min=0.01, max=0.9, help="Share of the queries for --held-out.")
    ] = 0.2,
    column: ColumnNames = None,
    column_file: ColumnFile = None,
) -> None:
    """Make labelled texts from a log of queries with the products that people chose, or of questions about products.

    A query gets the tags that most of the chosen products have. Add the file to the recipe as one more source, train
    with and without it, and compare both bundles on the queries of --held-out with `hangtag evaluate-queries`.

    Example: hangtag data queries clicks.csv --products shop.jsonl --out queries.jsonl --attribute color
    """
    console = plain_console()
    with trainer_command("nothing was written", out):
        from hangtag.trainer.data.click_labels import ClickSettings, label_queries  # noqa: PLC0415
        from hangtag.trainer.data.click_log import by_id, read_click_log  # noqa: PLC0415
        from hangtag.trainer.data.labelled import refuse  # noqa: PLC0415
        from hangtag.trainer.files.atomic_file import write_text  # noqa: PLC0415

        with plain_console(stderr=True).status("Reading files"):
            reading = read(products, mapping(column, column_file))
            refuse(reading.bad)
            known = by_id(row.product for row in reading.good)
            found = read_click_log(log, query_column, product_column, count_column, known)
            settings = ClickSettings(fewest, agreement, tuple(attribute or ()), share if held_out else 0.0)
            labels = label_queries(found.queries, known, settings)
        _print_left_out(found, labels.unlabelled)
        if not labels.train:
            msg = f"no query of {log} got a label: lower --fewest or --agreement, or give the products that were chosen"
            raise CommandError(msg)
        rows = (
            {
                "product_id": each.product_id,
                "title": each.title,
                "facets": sorted(each.facets),
                "tags": sorted(each.tags),
            }
            for each in labels.train
        )
        write_text(out, "".join(f"{orjson.dumps(row).decode()}\n" for row in rows))
        if held_out:
            write_text(held_out, "".join(f"{each.model_dump_json()}\n" for each in labels.held_out))
    console.print(f"{len(labels.train):,} labelled queries are in {out}", soft_wrap=True)
    if held_out:
        console.print(f"{len(labels.held_out):,} queries for evaluation are in {held_out}", soft_wrap=True)


def _print_left_out(log: "ClickLog", unlabelled: int) -> None:
    """Say on standard error which rows and queries were left out, and why."""
    stderr = plain_console(stderr=True)
    for bad in log.bad[:_MOST_SHOWN]:
        stderr.print(str(bad), soft_wrap=True)
    if len(log.bad) > _MOST_SHOWN:
        stderr.print(f"and {len(log.bad) - _MOST_SHOWN:,} more bad rows")
    if log.unknown:
        rows, first = sum(log.unknown.values()), ", ".join(list(log.unknown)[:5])
        stderr.print(f"{rows:,} rows are of {len(log.unknown):,} products without labels: {first} ...", soft_wrap=True)
    if unlabelled:
        stderr.print(f"{unlabelled:,} queries got no label: too few choices, or choices that differ", soft_wrap=True)
