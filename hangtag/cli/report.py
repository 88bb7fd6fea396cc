"""`hangtag report`."""

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from hangtag.cli.errors import CommandError
from hangtag.cli.stopping import Stopped, stopping


def report(
    run: Annotated[Path, typer.Argument(help="folder of a finished run")],
    data: Annotated[Path, typer.Option(help="folder that the recipe's files are in")] = Path(),
    out: Annotated[
        Path | None, typer.Option(help="where the page goes; default: report.html in the run's folder")
    ] = None,
    no_baselines: Annotated[
        bool, typer.Option("--no-baselines", help="leave out the models to compare with: they take minutes once")
    ] = False,
    no_texts: Annotated[
        bool, typer.Option("--no-texts", help="leave out the products' texts, for a page to hand on")
    ] = False,
    core_hour: Annotated[float, typer.Option(min=0, help="price of a core for an hour, for the cost")] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="the first table as JSON on standard output")] = False,
) -> None:
    """Write one self-contained page about a run: data, curves, figures beside baselines, promises, mistakes, cost.

    The page shows texts of validation products, unless --no-texts is given. What it compares with is kept in the run's
    folder.

    Example: hangtag report runs/shop --data .
    """
    console = Console(stderr=True)
    try:
        from hangtag.trainer.data.rows import LabelledFileError  # noqa: PLC0415
        from hangtag.trainer.recipe.recipe import RecipeError  # noqa: PLC0415
        from hangtag.trainer.reporting.gather import ReportError  # noqa: PLC0415
        from hangtag.trainer.reporting.report import write_report  # noqa: PLC0415 (matplotlib and torch load only here)
    except ImportError as error:
        msg = f"{error}; reports need more packages: pip install 'hangtag[train]'"
        raise CommandError(msg) from error
    try:
        with stopping(), console.status("reading") as status:

            def tell(stage: str) -> None:
                console.print(f"{stage} ...")
                status.update(stage)

            written = write_report(
                run,
                data,
                out,
                with_baselines=not no_baselines,
                with_texts=not no_texts,
                core_hour_price=core_hour,
                on_stage=tell,
            )
    except (RecipeError, LabelledFileError, ReportError, OSError) as error:
        raise CommandError(str(error)) from error
    except Stopped:
        console.print("stopped; the same command starts again, with the baselines that are finished")
        raise typer.Exit(130) from None
    if as_json:
        sys.stdout.write(orjson.dumps(written.to_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    console.print(written.summary)
    Console(soft_wrap=True).print(str(written.path))
