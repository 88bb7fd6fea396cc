"""`hangtag train` and `hangtag evaluate`."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.progress import Progress
from rich.table import Table

from hangtag.cli.by_shop import shop_table
from hangtag.cli.cautions import show_cautions
from hangtag.cli.console import make_table, plain_console
from hangtag.cli.options import BundleName, ColumnNames, DataFolder, EngineName, JsonOutput, LabelledFiles
from hangtag.cli.trainer_command import trainer_command
from hangtag.cli.training_progress import TrainingProgress

if TYPE_CHECKING:  # these load torch and scikit-learn
    from hangtag.trainer.judging.evaluate import Evaluation

# Shops in a table.
_SHOPS = 20


def train(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILES", help="Labelled files to train on, instead of --recipe."),
    ] = None,
    validation: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Labelled file that chooses the epoch and the thresholds. Repeatable."),
    ] = None,
    column: ColumnNames = None,
    recipe: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML or JSON file with sources, facets and settings.")
    ] = None,
    data: DataFolder = Path(),
    run: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for history and checkpoints; an unfinished run is resumed.")
    ] = Path("runs/tagger"),
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for the bundle. Default: bundle in the run's folder.")
    ] = None,
    no_bundle: Annotated[bool, typer.Option("--no-bundle", help="Train without writing a bundle.")] = False,
    wandb: Annotated[bool, typer.Option("--wandb", help="Log metrics to Weights & Biases.")] = False,
    base_model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Base model: starter, a checkpoint folder or a hub name.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Largest number of passes over the training files.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Train on data that makes figures too good or promises impossible.")
    ] = False,
) -> None:
    """Fine-tune BERT on labelled products and write a bundle.

    Data on which every figure would be too good, or on which no tag could get the AUTO promise, is refused unless
    --anyway is given.
    Ctrl-C stops it; the same command resumes from the last checkpoint. What was read and tokenised is kept in .prepared
    beside the run's folder (at most 4 GB), so that further runs on the same files begin at once. To train on several
    GPUs or processes, start it with torchrun --nproc-per-node 2 -m -- hangtag.cli train ...

    Example: hangtag train shop.jsonl --validation shop-validation.jsonl --run runs/shop --out runs/shop/bundle
    """
    if (recipe is None) == (not files):
        msg = "give either labelled files (with --validation) or --recipe"
        raise typer.BadParameter(msg)
    if recipe is not None and (validation or column):
        msg = "--validation and --column belong to files; a recipe names both in [[sources]]"
        raise typer.BadParameter(msg)
    console = plain_console(stderr=True)
    with trainer_command(f"run the same command again to resume from the last checkpoint in {run}", run):
        from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415
        from hangtag.trainer.recipe.recipe import Recipe, Source  # noqa: PLC0415

        if recipe is not None:
            settings = Recipe.from_file(recipe)
        else:
            source = Source(
                train=tuple(map(str, files or ())),
                validation=tuple(map(str, validation or ())),
                columns=Columns.read(None, column or ()),
            )
            settings = Recipe(sources=(source,))
        changes = {"base_model": base_model, "epochs": epochs}
        settings = settings.model_copy(update={name: value for name, value in changes.items() if value is not None})
        settings.check_files(data)
        place = None if no_bundle else out or run / "bundle"
        from hangtag.trainer.running import train as trainer  # noqa: PLC0415 (loads torch, so after the checks)

        with TrainingProgress(console) as progress:
            watcher = trainer.Watcher(
                cautions=partial(show_cautions, console=console, anyway=anyway),
                stage=progress.stage,
                note=progress.note,
                step=progress.step,
                epoch=progress.epoch,
            )
            made = trainer.train(settings, data, run, place, watcher, wandb=wandb, sized=recipe is None)
    if made is None:
        if no_bundle:
            console.print(f"trained; the weights are in {run} (--no-bundle: no bundle was written)", soft_wrap=True)
        return
    manifest, evaluation = made
    console.print(_summary(evaluation))
    for note in evaluation.notes:
        console.print(note, soft_wrap=True)
    console.print(f"bundle {place} version {manifest.version[:12]}", soft_wrap=True)


def evaluate(
    files: LabelledFiles,
    column: ColumnNames = None,
    bundle: BundleName = None,
    engine: EngineName = None,
    trained_on: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="File that the bundle was trained on: also show figures by shop. Repeatable."
        ),
    ] = None,
    shops: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV file with product_id and shop, if the files have no column shop."),
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Measure a bundle on labelled products: precision, recall and F1 per tag, averages per facet.

    With --trained-on, also for products of shops that training saw and of new ones, and the shops with most mistakes.

    Example: hangtag evaluate shop-validation.jsonl --bundle runs/shop/bundle --json
    """
    if shops and not trained_on:
        msg = "--shops needs --trained-on: which shops are new depends on the files that the bundle was trained on"
        raise typer.BadParameter(msg)
    with trainer_command("no result was kept"):
        from hangtag.settings import load_settings  # noqa: PLC0415
        from hangtag.tagger.tagger import open_tagger  # noqa: PLC0415
        from hangtag.trainer.data.labelled import read_labelled  # noqa: PLC0415
        from hangtag.trainer.data.shops import read_shops, with_shops  # noqa: PLC0415
        from hangtag.trainer.judging.by_shop import by_shop  # noqa: PLC0415
        from hangtag.trainer.judging.evaluate import evaluate_logits, logits_of  # noqa: PLC0415
        from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415

        changes = {name: value for name, value in (("bundle", bundle), ("engine", engine)) if value is not None}
        settings = load_settings().model.model_copy(update=changes)
        columns = Columns.read(None, column or ())
        known = read_shops(shops) if shops else {}
        products = with_shops(read_labelled(files, columns), known)
        seen = {product.shop for product in with_shops(read_labelled(trained_on or (), columns), known)}
        tagger = open_tagger(settings)
        with Progress(console=plain_console(stderr=True), transient=True) as bar:
            task = bar.add_task("evaluating", total=len(products))
            logits = logits_of(tagger, products, lambda count: bar.advance(task, count))
        result = evaluate_logits(tagger, products, logits)
        shopwise = by_shop(tagger, products, logits, seen) if trained_on else None
    if as_json:
        values = result.to_json() | ({"by_shop": shopwise.to_json()} if shopwise else {})
        sys.stdout.write(orjson.dumps(values, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    plain_console(stderr=True).print(f"bundle {settings.bundle}, version {tagger.bundle.version[:12]}", soft_wrap=True)
    console = plain_console()
    for name, facet in result.facets.items():
        table = make_table("tag", "precision", "recall", "F1", "support", title=name)
        for tag, score in sorted(facet.tags.items(), key=lambda item: -item[1].support):
            table.add_row(tag, f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}", str(score.support))
        console.print(table)
    console.print(_summary(result))
    if shopwise:
        for name, its in (("shops that training saw", shopwise.seen), ("new shops", shopwise.new)):
            if its:
                console.print(_summary(its, f"averages per facet, {name}"))
        console.print(shop_table(shopwise, _SHOPS))
    for note in result.notes:
        console.print(note, soft_wrap=True)


def _summary(evaluation: "Evaluation", title: str = "averages per facet") -> Table:
    columns = ("facet", "weighted F1", "macro F1", "micro F1", "products", "AUTO coverage", "AUTO precision")
    table = make_table(*columns, title=title)
    for name, facet in evaluation.facets.items():
        figures = (facet.weighted_f1, facet.macro_f1, facet.micro_f1)
        table.add_row(
            name,
            *(f"{100 * each:.2f}" for each in figures),
            str(facet.support),
            f"{100 * facet.auto_coverage:.1f} %",
            f"{100 * facet.auto_precision:.1f} %" if facet.auto_coverage else "-",
        )
    return table
