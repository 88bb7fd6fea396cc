"""`hangtag curve`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from hangtag.cli.console import make_table, plain_console
from hangtag.cli.options import DataFolder, JsonOutput
from hangtag.cli.progress import StepBar
from hangtag.cli.trainer_command import trainer_command

if TYPE_CHECKING:  # these load torch
    from hangtag.trainer.choosing.curve import Curve, Gain, Point
    from hangtag.trainer.files.run_folder import Epoch
    from hangtag.trainer.fitting.epochs import Progress

_SHARES = [0.125, 0.25, 0.5, 1.0]


def curve(
    recipe: Annotated[Path, typer.Option(metavar="FILE", help="Recipe that is trained with parts of its products.")],
    folder: Annotated[Path, typer.Option("--study", metavar="FOLDER", help="Folder for the trainings.")],
    data: DataFolder = Path(),
    share: Annotated[
        list[float] | None,
        typer.Option(
            metavar="FRACTION", min=0, max=1, help="Part of the products: 0.125, 0.25, 0.5 and 1. Repeatable."
        ),
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Train with parts of the labelled products, and predict what twice as many would bring.

    It takes about twice as long as one training with all products. Ctrl-C stops it; the same command continues.

    Example: hangtag curve --recipe shop.toml --data . --study runs/curve
    """
    console = plain_console(stderr=True)
    with trainer_command(f"run the same command again to continue in {folder}", folder):
        from hangtag.trainer.choosing.curve import learning_curve  # noqa: PLC0415
        from hangtag.trainer.recipe.recipe import Recipe  # noqa: PLC0415

        settings = Recipe.from_file(recipe)
        with StepBar(console) as bar:

            def on_step(part: float, at: "Progress") -> None:
                place = f"share {part:g}, epoch {at.epoch}/{at.epochs}  step {at.step}/{at.steps}  loss {at.loss:.3f}"
                bar.step(place, at.step, at.steps)

            def on_epoch(part: float, epoch: "Epoch") -> None:
                console.print(f"share {part:g}, epoch {epoch.epoch}: score {100 * epoch.score:.2f}")

            def on_point(point: "Point") -> None:
                console.print(f"{point.products:,} products: score {100 * point.score:.2f}")

            bar.stage("Reading")
            found = learning_curve(
                settings,
                data,
                folder,
                share or _SHARES,
                on_point=on_point,
                on_epoch=on_epoch,
                on_step=on_step,
            )
    if as_json:
        sys.stdout.write(orjson.dumps(found.to_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _print(found)


def _print(found: "Curve") -> None:
    facets = list(found.points[-1].facets)
    table = make_table("products", *facets, "mean", title="F1 on the validation products, in percent")
    for point in found.points:
        scores = (point.facets.get(name) for name in facets)
        table.add_row(
            f"{point.products:,}", *("" if each is None else f"{100 * each:.1f}" for each in scores), _f1(point)
        )
    if found.gain is not None:
        its = (found.facets.get(name) for name in facets)
        table.add_row(
            f"{found.gain.products:,} (predicted)",
            *("" if gain is None else _range(gain) for gain in its),
            _range(found.gain),
        )
    console = plain_console()
    console.print(table)
    if found.gain is None:
        console.print("a prediction needs at least three shares")
    else:
        console.print("in brackets: the range of predictions with one point left out")


def _f1(point: "Point") -> str:
    return f"{100 * point.score:.1f}"


def _range(gain: "Gain") -> str:
    return f"{100 * gain.score:.1f} ({100 * gain.low:.1f} to {100 * gain.high:.1f})"
