"""`hangtag tune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hangtag.cli.console import make_table, plain_console
from hangtag.cli.options import DataFolder
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


def _settings(trial: "Trial") -> str:
    return "  ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in trial.settings.items()
    )
