"""`hangtag leave-out`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from hangtag.cli.console import make_table, plain_console
from hangtag.cli.options import DataFolder, JsonOutput
from hangtag.cli.trainer_command import trainer_command
from hangtag.cli.training_progress import TrainingProgress
from hangtag.tags.tag import value_of

if TYPE_CHECKING:  # loads scikit-learn
    from hangtag.trainer.judging.left_out import FacetAnswers, LeftOut


def leave_out(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    tags: Annotated[list[str], typer.Argument(metavar="TAGS", help="Tags to leave out, one training each.")],
    data: DataFolder = Path(),
    as_json: JsonOutput = False,
) -> None:
    """Show what a category without examples gets: train again without its products, and tag them.

    Each tag takes as long as the run did. The results stay in the run's folder, and `hangtag report` shows them. Ctrl-C
    stops it; the same command continues.

    Example: hangtag leave-out runs/shop class:boots --data .
    """
    console = plain_console(stderr=True)
    with trainer_command("run the same command again to continue", run):
        from hangtag.trainer.choosing.leaving_out import leave_out as study  # noqa: PLC0415 (loads torch)
        from hangtag.trainer.running.train import Watcher  # noqa: PLC0415

        with TrainingProgress(console) as progress:
            watcher = Watcher(stage=progress.stage, note=progress.note, step=progress.step, epoch=progress.epoch)
            found = [study(run, data, tag, watcher) for tag in dict.fromkeys(tags)]
    if as_json:
        values = [each.model_dump(mode="json") for each in found]
        sys.stdout.write(orjson.dumps(values, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    for each in found:
        _print(each)


def _print(found: "LeftOut") -> None:
    title = f"{found.tag} left out; in brackets: the other validation products"
    table = make_table("facet", "products", "AUTO, wrong", "AUTO, right", "only REVIEW", "no tag", title=title)
    others = {each.facet: each for each in found.others}
    for each in found.facets:
        shares, usual = _shares(each), _shares(others[each.facet]) if each.facet in others else None
        cells = (f"{share:.1%}" + (f" ({usual[at]:.1%})" if usual else "") for at, share in enumerate(shares))
        table.add_row(each.facet, f"{each.products:,}", *cells)
    console = plain_console()
    console.print(table)
    instead = ", ".join(f"{value_of(each.tag)} {each.products:,} ({each.band.value})" for each in found.instead)
    console.print(
        f"trained on {found.trained:,} products without it; it got instead: {instead or 'no tag'}", soft_wrap=True
    )


def _shares(answers: "FacetAnswers") -> tuple[float, float, float, float]:
    counts = answers.auto_wrong, answers.auto_right, answers.review, answers.nothing
    wrong, right, review, nothing = (count / answers.products for count in counts)
    return wrong, right, review, nothing
