"""`hangtag tune` and `hangtag compare`: searching for settings and comparing runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from hangtag.cli.console import make_table, plain_console
from hangtag.cli.errors import CommandError
from hangtag.cli.options import ColumnNames, CoreHourPrice, DataFolder, JsonOutput
from hangtag.cli.progress import StepBar
from hangtag.cli.trainer_command import trainer_command

if TYPE_CHECKING:  # these load torch
    from hangtag.trainer.choosing.tuning import Trial
    from hangtag.trainer.files.run_folder import Epoch
    from hangtag.trainer.fitting.epochs import Progress


def tune(
    recipe: Annotated[Path, typer.Option(metavar="FILE", help="Recipe that every trial starts from.")],
    study: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of the study; trials are added to a study that exists.")
    ],
    data: DataFolder = Path(),
    trials: Annotated[
        int, typer.Option(metavar="N", min=1, help="Number of trials, including those of earlier calls.")
    ] = 20,
    minutes: Annotated[
        float | None, typer.Option(metavar="MINUTES", min=0, help="Start no new trial after this number of minutes.")
    ] = None,
    space: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file with a range or choices for each setting to search.")
    ] = None,
    base_model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Base model, instead of the recipe's.")
    ] = None,
    hold_out: Annotated[
        float,
        typer.Option(
            metavar="FRACTION", min=0.01, max=0.5, help="Fraction of the training products that trials are scored on."
        ),
    ] = 0.1,
) -> None:
    """Search for better training settings with Optuna, without using the validation files.

    Ctrl-C stops it; the same command continues the study. A file for --space has a table for each setting:

        [learning_rate]
        low = 1e-5
        high = 1e-3
        log = true

        ["method.rank"]
        choices = [4, 8, 16]

    Example: hangtag tune --recipe shop.toml --study runs/search --trials 20
    """
    console = plain_console(stderr=True)
    with trainer_command(f"run the same command again to continue the study in {study}", study):
        from hangtag.trainer.choosing import tuning  # noqa: PLC0415
        from hangtag.trainer.recipe.recipe import Recipe  # noqa: PLC0415

        start = Recipe.from_file(recipe)
        start = start.model_copy(update={"base_model": base_model}) if base_model else start
        with StepBar(console) as bar:

            def on_step(number: int, at: "Progress") -> None:
                place = f"trial {number}, epoch {at.epoch}/{at.epochs}  step {at.step}/{at.steps}  loss {at.loss:.3f}"
                bar.step(place, at.step, at.steps)

            def on_epoch(number: int, epoch: "Epoch") -> None:
                score = f"score {100 * epoch.score:.2f}  ({epoch.seconds:.0f} s)"
                console.print(f"trial {number}, epoch {epoch.epoch}: {score}")

            def on_trial(trial: "Trial") -> None:
                score = "" if trial.score is None else f" with score {100 * trial.score:.2f}"
                console.print(f"trial {trial.number}: {trial.state}{score}  {_settings(trial)}", soft_wrap=True)

            bar.stage("Reading")
            result = tuning.tune(
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
    table = make_table("trial", "state", "score", "settings")
    for trial in sorted(result.trials, key=lambda each: -(each.score or 0)):
        score = "" if trial.score is None else f"{100 * trial.score:.2f}"
        table.add_row(str(trial.number), trial.state, score, _settings(trial))
    stdout = plain_console()
    stdout.print(table)
    if result.importance:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in result.importance.items())
        stdout.print(f"importance of the settings: {shares}", soft_wrap=True)
    stdout.print(f"best: hangtag train --recipe {study / 'best.json'} --data {data}", soft_wrap=True)


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUNS", help="Folders of finished runs.")],
    texts: Annotated[Path, typer.Option(metavar="FILE", help="Labelled file with texts to time; labels are not read.")],
    column: ColumnNames = None,
    count: Annotated[int, typer.Option(metavar="N", min=1, help="Number of texts to time.")] = 500,
    core_hour: CoreHourPrice = 0.05,
    as_json: JsonOutput = False,
) -> None:
    """Compare finished runs: quality, size, speed on this machine, and the cost of tagging a million products.

    The bundles are timed in turns, so that other load on the machine affects all of them alike.

    Example: hangtag compare runs/a runs/b --texts shop-validation.jsonl
    """
    console = plain_console(stderr=True)
    with trainer_command("nothing was written"):
        from hangtag.trainer.choosing.comparing import compare_runs  # noqa: PLC0415
        from hangtag.trainer.data.labelled import read_labelled  # noqa: PLC0415
        from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415

        columns = Columns.read(None, column or ()).model_copy(update={"labelled": False})
        with console.status("Reading") as status:

            def on_stage(stage: str) -> None:
                console.print(f"{stage} ...")
                status.update(stage)

            products = read_labelled([texts], columns)[:count]
            if not products:
                msg = f"{texts} has no products: --texts needs a file with texts to time"
                raise CommandError(msg)
            compared = compare_runs(runs, [product.text for product in products], core_hour, on_stage)
    if as_json:
        sys.stdout.write(
            orjson.dumps([each.to_json() for each in compared], option=orjson.OPT_INDENT_2).decode() + "\n"
        )
        return
    table = make_table("", *(each.run for each in compared))
    for facet in dict.fromkeys(facet for each in compared for facet in each.f1):
        table.add_row(f"{facet}: F1", *(_percent(each.f1.get(facet)) for each in compared))
        table.add_row(f"{facet}: AUTO coverage", *(_percent(each.auto_coverage.get(facet)) for each in compared))
    int8_losses = ("" if each.int8_loss is None else f"{each.int8_loss:+.2f}" for each in compared)
    table.add_row("loss from int8, points of F1", *int8_losses)
    table.add_row("MB", *(f"{each.megabytes:.1f}" for each in compared))
    table.add_row("parameters", *(f"{each.parameters:,}" for each in compared))
    table.add_row("minutes of training", *(f"{each.training_seconds / 60:.0f}" for each in compared))
    table.add_row("texts/s", *(f"{each.texts_per_second:,.0f}" for each in compared))
    table.add_row("tokens/s", *(f"{each.tokens_per_second:,.0f}" for each in compared))
    table.add_row("speed relative to the first run", *(f"{each.ratio:.2f}" for each in compared))
    table.add_row("core-hours per million products", *(f"{each.core_hours:.2f}" for each in compared))
    table.add_row("cost per million products", *(f"{each.cost:.2f}" for each in compared))
    for name in compared[0].settings:
        table.add_row(name, *(str(each.settings[name])[:60] for each in compared))
    plain_console().print(table)
    if len({each.data_fingerprint for each in compared}) > 1:
        console.print("warning: the runs used different files, so their F1 scores are not comparable", style="yellow")


def _settings(trial: "Trial") -> str:
    return "  ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in trial.settings.items()
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"
