"""`hangtag compare`."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from hangtag.cli.compared_pair import print_pair
from hangtag.cli.console import make_table, plain_console
from hangtag.cli.errors import CommandError
from hangtag.cli.options import ColumnNames, CoreHourPrice, JsonOutput
from hangtag.cli.trainer_command import trainer_command

if TYPE_CHECKING:  # they load scikit-learn
    from hangtag.trainer.choosing.comparing import RunComparison
    from hangtag.trainer.releasing.pair import Pair


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUNS", help="Folders of finished runs.")],
    texts: Annotated[Path, typer.Option(metavar="FILE", help="Labelled file with texts to time; labels are not read.")],
    column: ColumnNames = None,
    count: Annotated[int, typer.Option(metavar="N", min=1, help="Number of texts to time.")] = 500,
    core_hour: CoreHourPrice = 0.05,
    labelled: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Labelled file that neither run has seen: compares two runs by tag and product. Repeatable.",
        ),
    ] = None,
    disagreements: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the products of --labelled that the runs tag differently (.jsonl)."),
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Compare finished runs: quality, size, speed on this machine, and the cost of tagging a million products.

    The bundles are timed in turns, so that other load on the machine affects all of them alike. With --labelled, two
    runs are also compared tag by tag, with adjusted p-values, and product by product.

    Example: hangtag compare runs/a runs/b --texts shop-validation.jsonl --labelled unseen.jsonl
    """
    console = plain_console(stderr=True)
    _check_options(runs, labelled, disagreements)
    with trainer_command("nothing was written", disagreements), console.status("Reading") as status:

        def on_stage(stage: str) -> None:
            console.print(f"{stage} ...")
            status.update(stage)

        compared = _compared(runs, texts, column or (), count, core_hour, on_stage)
        pair = _pair(runs, labelled, column or (), disagreements, on_stage) if labelled else None
    if as_json:
        result = [each.to_json() for each in compared]
        plain = result if pair is None else {"runs": result, **pair.to_json()}
        sys.stdout.write(orjson.dumps(plain, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    _print(compared)
    if len({each.data_fingerprint for each in compared}) > 1:
        console.print("warning: the runs used different files, so their F1 scores are not comparable", style="yellow")
    if pair is not None:
        print_pair(pair)


def _check_options(runs: Sequence[Path], labelled: Sequence[Path] | None, disagreements: Path | None) -> None:
    if labelled and len(runs) != 2:  # noqa: PLR2004
        msg = f"--labelled compares two runs, not {len(runs)}"
        raise CommandError(msg)
    if disagreements is not None and not labelled:
        msg = "--disagreements needs the products to compare: name their file with --labelled"
        raise CommandError(msg)
    if disagreements is not None and disagreements.suffix != ".jsonl":
        msg = f"{disagreements}: name a file that ends in .jsonl"
        raise CommandError(msg)


def _compared(
    runs: Sequence[Path],
    texts: Path,
    column: Sequence[str],
    count: int,
    core_hour: float,
    on_stage: Callable[[str], None],
) -> "list[RunComparison]":
    from hangtag.trainer.choosing.comparing import compare_runs  # noqa: PLC0415
    from hangtag.trainer.data.labelled import read_labelled  # noqa: PLC0415
    from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415

    columns = Columns.read(None, column).model_copy(update={"labelled": False})
    products = read_labelled([texts], columns)[:count]
    if not products:
        msg = f"{texts} has no products: --texts needs a file with texts to time"
        raise CommandError(msg)
    return compare_runs(runs, [product.text for product in products], core_hour, on_stage)


def _pair(
    runs: Sequence[Path],
    labelled: Sequence[Path],
    column: Sequence[str],
    out: Path | None,
    on_stage: Callable[[str], None],
) -> "Pair":
    from hangtag.trainer.data.labelled import read_labelled  # noqa: PLC0415
    from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415
    from hangtag.trainer.releasing.pair import compare_pair  # noqa: PLC0415

    on_stage("Tagging the labelled products")
    pair = compare_pair(runs[0], runs[1], read_labelled(labelled, Columns.read(None, column)))
    if out is not None:
        pair.write(out)
    return pair


def _print(compared: "Sequence[RunComparison]") -> None:
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


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"
