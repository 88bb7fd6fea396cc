"""`hangtag report`."""

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from hangtag.cli.options import CoreHourPrice, DataFolder, JsonOutput
from hangtag.cli.trainer_command import trainer_command


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    data: DataFolder = Path(),
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="HTML file to write. Default: report.html in the run's folder.")
    ] = None,
    no_baselines: Annotated[
        bool, typer.Option("--no-baselines", help="Leave out the baseline models, which take minutes to fit once.")
    ] = False,
    no_texts: Annotated[
        bool, typer.Option("--no-texts", help="Leave out the texts of products, so that the page can be shared.")
    ] = False,
    core_hour: CoreHourPrice = 0.05,
    as_json: JsonOutput = False,
) -> None:
    """Write an HTML report about a run: data, learning curves, metrics, baselines, promised precision, mistakes, cost.

    The page is one file without external parts. It shows texts of validation products unless --no-texts is given. The
    baselines are fitted once and kept in the run's folder.

    Example: hangtag report runs/shop --data .
    """
    console = Console(stderr=True)
    with trainer_command("run the same command again; finished baselines are kept", out):
        from hangtag.trainer.reporting.report import write_report  # noqa: PLC0415

        with console.status("reading") as status:

            def on_stage(stage: str) -> None:
                console.print(f"{stage} ...")
                status.update(stage)

            written = write_report(
                run,
                data,
                out,
                with_baselines=not no_baselines,
                with_texts=not no_texts,
                core_hour_price=core_hour,
                on_stage=on_stage,
            )
    if as_json:
        sys.stdout.write(orjson.dumps(written.to_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    console.print(written.summary)
    Console(soft_wrap=True).print(str(written.path))
