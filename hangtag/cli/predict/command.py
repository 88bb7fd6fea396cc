"""`hangtag predict`."""

import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from hangtag.cli.console import plain_console
from hangtag.cli.options import BundleName, ColumnNames, EngineName
from hangtag.cli.predict.formats import SUFFIXES
from hangtag.cli.progress import StepBar
from hangtag.cli.trainer_command import trainer_command


def predict(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSONL, CSV, TSV or Parquet file with products; text also as .gz.")
    ],
    bundle: BundleName = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File for the result: .jsonl, .csv, .tsv or .parquet. Default: NAME.tags beside FILE."
        ),
    ] = None,
    column: ColumnNames = None,
    candidates: Annotated[
        int, typer.Option(metavar="N", min=0, help="Also write the N most likely tags of each facet.")
    ] = 0,
    engine: EngineName = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start again, instead of continuing an earlier command's result.")
    ] = False,
) -> None:
    """Tag the products of a file, without broker, store and server.

    The result has one row for each product, in the order of the file: tags to use (band AUTO), tags for a person to
    review (REVIEW), or the reason why a row cannot be tagged; the exit code is then 1. Ctrl-C stops the command; the
    same command continues after the last row. Batches are planned as in a worker.

    Example: hangtag predict shop.csv --column product_id=Nr --column title=Name --bundle bundles/shop --out tags.csv
    """
    console = plain_console(stderr=True)
    with trainer_command("run the same command again to continue", out), ExitStack() as stack:
        from hangtag.cli.predict.job import Job  # noqa: PLC0415
        from hangtag.cli.predict.source import Source  # noqa: PLC0415
        from hangtag.settings import load_settings  # noqa: PLC0415
        from hangtag.tagger.tagger import open_tagger  # noqa: PLC0415
        from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415

        settings = load_settings()
        changes = {name: value for name, value in (("bundle", bundle), ("engine", engine)) if value is not None}
        source = Source.of(file, Columns.read(None, column or ()))
        job = Job(source, out or _beside(file), candidates, restart)
        job.check()
        tagger = stack.enter_context(closing(open_tagger(settings.model.model_copy(update=changes), in_bulk=True)))
        console.print(f"bundle {tagger.bundle.version[:12]} on {tagger.engine.name}", soft_wrap=True)
        started, before = time.monotonic(), 0
        with StepBar(console) as bar:

            def on_start(done: int) -> None:
                nonlocal before
                before = done
                if done:
                    console.print(f"continuing after {done:,} rows in {job.unfinished}", soft_wrap=True)

            def on_row(line: int, rows: int) -> None:
                rate = (rows - before) / max(1e-9, time.monotonic() - started)
                bar.step(f"{rows:,} rows  {rate:,.0f}/s", line, source.lines)

            counts = job.run(tagger, settings.worker, on_start, on_row)
        seconds = time.monotonic() - started
    new = counts.total - before
    console.print(
        f"{counts.total:,} rows in {job.out} ({new:,} in {seconds:.1f} s, {new / max(1e-9, seconds):,.0f}/s): "
        f"{counts.auto:,} with AUTO tags, {counts.review:,} with only REVIEW tags, {counts.nothing:,} without tags, "
        f"{counts.failed:,} that cannot be tagged",
        soft_wrap=True,
    )
    if counts.failed:
        console.print("the column `error` says why a row cannot be tagged", soft_wrap=True)
        raise typer.Exit(1)


def _beside(file: Path) -> Path:
    """The default result of `shop.csv.gz`: `shop.tags.csv` in the same folder."""
    plain = file.with_suffix("") if file.suffix == ".gz" else file
    return plain.with_name(f"{plain.stem}.tags{plain.suffix if plain.suffix.lower() in SUFFIXES else '.jsonl'}")
