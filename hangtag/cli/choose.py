"""`hangtag tune` and `hangtag compare`: choosing between settings and between runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from hangtag.cli.errors import CommandError
from hangtag.cli.plain_console import plain_console
from hangtag.cli.step_bar import StepBar
from hangtag.cli.stopping import Stopped, stopping
from hangtag.cli.tables import make_table

if TYPE_CHECKING:  # these bring torch with them
    from hangtag.trainer.choosing.tuning import Trial
    from hangtag.trainer.files.run_folder import Epoch
    from hangtag.trainer.fitting.epochs import Progress

_NEEDS_EXTRA = "this needs more packages: pip install 'hangtag[train]'"


def tune(
    recipe: Annotated[Path, typer.Option(help="recipe that every trial starts from")],
    study: Annotated[Path, typer.Option(help="folder of the study; resumes")],
    data: Annotated[Path, typer.Option(help="folder that the recipe's files are in")] = Path(),
    trials: Annotated[int, typer.Option(min=1, help="in all, earlier calls counted")] = 20,
    minutes: Annotated[float | None, typer.Option(min=0, help="start no trial after so long")] = None,
    space: Annotated[Path | None, typer.Option(help="TOML with a range or choices per setting")] = None,
    base_model: Annotated[str | None, typer.Option(help="instead of the recipe's")] = None,
    hold_out: Annotated[
        float, typer.Option(min=0.01, max=0.5, help="part of the training products that scores are measured on")
    ] = 0.1,
) -> None:
    """Search settings with Optuna; the validation files stay unseen. Ctrl-C keeps the study, the same command goes on.

    A space file has a table per setting: ["method.rank"] choices = [4, 8, 16]; [learning_rate] low = 1e-5 high = 1e-3
    log = true

    Example: hangtag tune --recipe shop.toml --study runs/search --trials 20
    """
    console = plain_console(stderr=True)
    try:
        from hangtag.trainer.choosing import tuning  # noqa: PLC0415 (optuna and torch load only here)
        from hangtag.trainer.data.rows import LabelledFileError  # noqa: PLC0415
        from hangtag.trainer.files.folder_lock import FolderInUseError  # noqa: PLC0415
        from hangtag.trainer.fitting.base_model import BaseModelError  # noqa: PLC0415
        from hangtag.trainer.recipe.recipe import Recipe, RecipeError  # noqa: PLC0415
    except ImportError as error:
        msg = f"{error}; {_NEEDS_EXTRA}"
        raise CommandError(msg) from error
    try:
        start = Recipe.from_file(recipe)
        start = start.model_copy(update={"base_model": base_model}) if base_model else start
        with stopping(), StepBar(console) as bar:

            def on_step(number: int, at: "Progress") -> None:
                where = f"trial {number}, epoch {at.epoch}/{at.epochs}  step {at.step}/{at.steps}  loss {at.loss:.3f}"
                bar.step(where, at.step, at.steps)

            def on_epoch(number: int, epoch: "Epoch") -> None:
                figures = f"score {100 * epoch.score:.2f}  ({epoch.seconds:.0f} s)"
                console.print(f"trial {number}, epoch {epoch.epoch}: {figures}")

            def on_trial(trial: "Trial") -> None:
                score = "" if trial.score is None else f" at {100 * trial.score:.2f}"
                console.print(f"trial {trial.number}: {trial.state}{score}  {_settings(trial)}", soft_wrap=True)

            bar.stage("Reading")
            found = tuning.tune(
                start,
                data,
                study,
                trials=trials,
                space=tuning.read_space(space) if space else tuning.DEFAULT_SPACE,
                hold_out=hold_out,
                minutes=minutes,
                on_trial=on_trial,
                on_epoch=on_epoch,
                on_step=on_step,
            )
    except (RecipeError, LabelledFileError, BaseModelError, FolderInUseError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        msg = f"{error.filename or study}: {error.strerror or error}"
        raise CommandError(msg) from error
    except Stopped:
        console.print(f"stopped; the same command goes on with the study in {study}", soft_wrap=True)
        raise typer.Exit(130) from None
    table = make_table("trial", "state", "score", "settings")
    for trial in sorted(found.trials, key=lambda each: -(each.score or 0)):
        score = "" if trial.score is None else f"{100 * trial.score:.2f}"
        table.add_row(str(trial.number), trial.state, score, _settings(trial))
    stdout = plain_console()
    stdout.print(table)
    if found.importance:
        told = ", ".join(f"{name} {share:.0%}" for name, share in found.importance.items())
        stdout.print(f"what mattered: {told}", soft_wrap=True)
    stdout.print(f"best: hangtag train --recipe {study / 'best.json'} --data {data}", soft_wrap=True)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="folders of finished runs")],
    texts: Annotated[Path, typer.Option(help="JSONL, CSV or Parquet file whose texts are timed; labels are not read")],
    column: Annotated[list[str] | None, typer.Option(help="where that file keeps what: title=Name; repeat it")] = None,
    count: Annotated[int, typer.Option(min=1, help="of its texts")] = 500,
    core_hour: Annotated[float, typer.Option(min=0, help="price of a core for an hour")] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="every figure as JSON on standard output")] = False,
) -> None:
    """Put runs side by side: quality, size, speed (in turns on this machine), cost of a million products.

    Example: hangtag compare runs/a runs/b --texts shop-validation.jsonl
    """
    try:
        from hangtag.trainer.choosing.comparing import compare_runs  # noqa: PLC0415 (pydantic models and engines load only here)
        from hangtag.trainer.data.labelled import LabelledFileError, read_labelled  # noqa: PLC0415
        from hangtag.trainer.recipe.columns import Columns, ColumnsError  # noqa: PLC0415
        from hangtag.trainer.recipe.recipe import RecipeError  # noqa: PLC0415
    except ImportError as error:
        msg = f"{error}; {_NEEDS_EXTRA}"
        raise CommandError(msg) from error
    console = plain_console(stderr=True)
    try:
        columns = Columns.read(None, column or ()).model_copy(update={"labelled": False})
        with stopping(), console.status("Reading") as status:

            def on_stage(stage: str) -> None:
                console.print(f"{stage} ...")
                status.update(stage)

            products = read_labelled([texts], columns)[:count]
            if not products:
                msg = f"{texts} has no products: name a file with texts to time"
                raise CommandError(msg)
            found = compare_runs(runs, [product.text for product in products], core_hour, on_stage)
    except (RecipeError, ColumnsError, LabelledFileError) as error:
        raise CommandError(str(error)) from error
    except Stopped:
        console.print("stopped; nothing was written")
        raise typer.Exit(130) from None
    if as_json:
        sys.stdout.write(orjson.dumps([each.to_json() for each in found], option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    table = make_table("", *(each.run for each in found))
    for facet in dict.fromkeys(facet for each in found for facet in each.f1):
        table.add_row(f"{facet}: F1", *(_percent(each.f1.get(facet)) for each in found))
        table.add_row(f"{facet}: AUTO coverage", *(_percent(each.auto_coverage.get(facet)) for each in found))
    losses = ("" if each.int8_loss is None else f"{each.int8_loss:+.2f}" for each in found)
    table.add_row("lost by int8, points of F1", *losses)
    table.add_row("MB", *(f"{each.megabytes:.1f}" for each in found))
    table.add_row("parameters", *(f"{each.parameters:,}" for each in found))
    table.add_row("training, minutes", *(f"{each.training_seconds / 60:.0f}" for each in found))
    table.add_row("texts/s", *(f"{each.texts_per_second:,.0f}" for each in found))
    table.add_row("tokens/s", *(f"{each.tokens_per_second:,.0f}" for each in found))
    table.add_row("speed against the first", *(f"{each.ratio:.2f}" for each in found))
    table.add_row("a million products, core-hours", *(f"{each.core_hours:.2f}" for each in found))
    table.add_row("a million products, cost", *(f"{each.cost:.2f}" for each in found))
    for name in found[0].settings:
        table.add_row(name, *(str(each.settings[name])[:60] for each in found))
    plain_console().print(table)
    if len({each.data_fingerprint for each in found}) > 1:
        console.print("warning: the runs were made from different files: their F1 are not comparable", style="yellow")


def _settings(trial: "Trial") -> str:
    return "  ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in trial.settings.items()
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"
