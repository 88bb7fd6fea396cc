"""`hangtag train` and `hangtag evaluate`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hangtag.cli.errors import CommandError
from hangtag.cli.plain_console import plain_console
from hangtag.cli.step_bar import StepBar
from hangtag.cli.stopping import Stopped, stopping
from hangtag.cli.tables import make_table

if TYPE_CHECKING:  # these bring torch and scikit-learn with them
    from hangtag.trainer.files.run_folder import Epoch
    from hangtag.trainer.fitting.epochs import Progress as Step
    from hangtag.trainer.judging.evaluate import Evaluation

_NEEDS_EXTRA = "training needs more packages: pip install 'hangtag[train]'"


def train(
    files: Annotated[
        list[Path] | None, typer.Argument(help="labelled JSONL, CSV or Parquet files, instead of --recipe")
    ] = None,
    validation: Annotated[
        list[Path] | None, typer.Option(help="labelled file that chooses epoch and thresholds")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="where these files keep what: title=Name, facet.color=Farbe; repeat it")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="TOML with sources, facets and settings")] = None,
    data: Annotated[Path, typer.Option(help="folder that the recipe's files are in")] = Path(),
    run: Annotated[Path, typer.Option(help="folder of the run: history, checkpoints; resumes")] = Path("runs/tagger"),
    bundle: Annotated[Path | None, typer.Option(help="where the bundle goes; default: bundle in --run")] = None,
    no_bundle: Annotated[bool, typer.Option("--no-bundle", help="train only; make no bundle")] = False,
    wandb: Annotated[bool, typer.Option("--wandb", help="figures to Weights & Biases, too")] = False,
    base_model: Annotated[str | None, typer.Option(help="`starter`, a checkpoint's folder or a hub name")] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
) -> None:
    """Fine-tune a BERT on labelled products and write a bundle.

    Ctrl-C stops it; the same command goes on from the last checkpoint. On several GPUs or processes: torchrun
    --nproc-per-node 2 -m -- hangtag.cli train ...

    Example: hangtag train shop.jsonl --validation shop-validation.jsonl --run runs/shop --bundle runs/shop/bundle
    """
    try:
        from hangtag.trainer.data.labelled import LabelledFileError  # noqa: PLC0415
        from hangtag.trainer.exporting.export import ExportError  # noqa: PLC0415
        from hangtag.trainer.files.folder_lock import FolderInUseError  # noqa: PLC0415
        from hangtag.trainer.fitting.base_model import BaseModelError  # noqa: PLC0415
        from hangtag.trainer.fitting.epochs import DivergedError  # noqa: PLC0415
        from hangtag.trainer.recipe.columns import Columns, ColumnsError  # noqa: PLC0415
        from hangtag.trainer.recipe.recipe import Recipe, RecipeError, Source  # noqa: PLC0415
        from hangtag.trainer.running import train as trainer  # noqa: PLC0415 (torch loads only for those who train)
    except ImportError as error:
        msg = f"{error}; {_NEEDS_EXTRA}"
        raise CommandError(msg) from error
    if (recipe is None) == (not files):
        msg = "name either labelled files (with --validation) or a --recipe"
        raise typer.BadParameter(msg)
    if recipe is not None and (validation or column):
        msg = "--validation and --column go with files; a recipe names them in [[sources]]"
        raise typer.BadParameter(msg)
    console = plain_console(stderr=True)
    try:
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
        with stopping(), _Screen(console) as screen:
            watcher = trainer.Watcher(stage=screen.stage, step=screen.step, epoch=screen.epoch)
            place = None if no_bundle else bundle or run / "bundle"
            made = trainer.train(settings, data, run, place, watcher, wandb=wandb)
    except (
        *(RecipeError, ColumnsError, LabelledFileError, BaseModelError, ExportError),
        *(DivergedError, FolderInUseError, OSError),
    ) as error:
        raise CommandError(str(error)) from error
    except Stopped:
        console.print(f"stopped; the same command goes on with what is kept in {run}", soft_wrap=True)
        raise typer.Exit(130) from None
    if made is None:
        if no_bundle:
            console.print(f"trained; the weights are in {run}, and no bundle was asked for", soft_wrap=True)
        return
    manifest, evaluation = made
    console.print(_summary(evaluation))
    console.print(f"bundle {place} version {manifest.version[:12]}", soft_wrap=True)


def evaluate(
    files: Annotated[list[Path], typer.Argument(help="labelled JSONL, CSV or Parquet files")],
    column: Annotated[list[str] | None, typer.Option(help="where these files keep what, as for `train`")] = None,
    bundle: Annotated[
        str | None, typer.Option(help="`starter` or a bundle's folder; default: that of the settings")
    ] = None,
    engine: Annotated[
        Literal["auto", "cpu", "torch"] | None, typer.Option(help="what runs the model; default: that of the settings")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="every figure as JSON on standard output")] = False,
) -> None:
    """Compare a bundle's tags with labels: precision, recall and F1 per tag, averages per facet (scikit-learn's).

    Example: hangtag evaluate shop-validation.jsonl --bundle runs/shop/bundle --json
    """
    try:
        from hangtag.trainer.data.labelled import read_labelled  # noqa: PLC0415
        from hangtag.trainer.errors import TrainerError  # noqa: PLC0415
        from hangtag.trainer.judging.evaluate import evaluate as evaluate_tagger  # noqa: PLC0415 (scikit-learn loads only here)
        from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415
    except ImportError as error:
        msg = f"{error}; {_NEEDS_EXTRA}"
        raise CommandError(msg) from error
    from hangtag.settings import ModelSettings, load_settings  # noqa: PLC0415
    from hangtag.tagger.tagger import open_tagger  # noqa: PLC0415

    try:
        changes = {name: value for name, value in (("bundle", bundle), ("engine", engine)) if value is not None}
        settings = ModelSettings.model_validate(load_settings().model.model_dump() | changes)
        products = read_labelled(files, Columns.read(None, column or ()))
        tagger = open_tagger(settings)
        with stopping(), Progress(console=plain_console(stderr=True), transient=True) as bar:
            task = bar.add_task("evaluating", total=len(products))
            result = evaluate_tagger(tagger, products, lambda count: bar.advance(task, count))
    except (TrainerError, ValueError) as error:
        raise CommandError(str(error)) from error
    except Stopped:
        plain_console(stderr=True).print("stopped; nothing is kept of an evaluation")
        raise typer.Exit(130) from None
    if as_json:
        sys.stdout.write(orjson.dumps(result.to_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    plain_console(stderr=True).print(f"bundle {settings.bundle}, version {tagger.bundle.version[:12]}", soft_wrap=True)
    console = plain_console()
    for name, facet in result.facets.items():
        table = make_table("tag", "precision", "recall", "F1", "support", title=name)
        for tag, score in sorted(facet.tags.items(), key=lambda item: -item[1].support):
            table.add_row(tag, f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}", str(score.support))
        console.print(table)
    console.print(_summary(result))


def _summary(evaluation: "Evaluation") -> Table:
    columns = ("facet", "weighted F1", "macro F1", "micro F1", "products", "AUTO coverage", "AUTO precision")
    table = make_table(*columns, title="averages per facet")
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


class _Screen:
    """What a run tells, on the screen; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = StepBar(console)

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._bar.__exit__(*raised)

    def stage(self, name: str) -> None:
        self._bar.stage(name)

    def step(self, at: "Step") -> None:
        where = f"epoch {at.epoch}/{at.epochs}  step {at.step}/{at.steps}  loss {at.loss:.3f}"
        self._bar.step(f"{where}  {at.tokens_per_s:,.0f} tokens/s", at.step, at.steps)

    def epoch(self, epoch: "Epoch") -> None:
        figures = "  ".join(f"{name} {100 * score:.1f}" for name, score in epoch.facets.items())
        self._console.print(
            f"epoch {epoch.epoch}: score {100 * epoch.score:.2f}  loss {epoch.loss:.3f}  "
            f"({epoch.seconds:.0f} s)  {figures}",
            soft_wrap=True,
        )
