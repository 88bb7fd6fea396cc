"""`hangtag pretrain`."""

from pathlib import Path
from typing import Annotated

import typer

from hangtag.cli.console import make_table, plain_console
from hangtag.cli.errors import CommandError
from hangtag.cli.options import ColumnNames
from hangtag.cli.progress import StepBar
from hangtag.cli.trainer_command import trainer_command


def pretrain(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES", help="Labelled files of any format; labels are not read.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of the new base model; an unfinished run in it is resumed.")
    ],
    column: ColumnNames = None,
    base_model: Annotated[
        str, typer.Option(metavar="MODEL", help="Base model: starter, a checkpoint folder or a hub name.")
    ] = "starter",
    epochs: Annotated[int, typer.Option(metavar="N", min=1, help="Number of passes over the texts.")] = 1,
    learning_rate: Annotated[float, typer.Option(metavar="RATE", min=1e-9, help="Highest learning rate.")] = 5e-5,
    batch_size: Annotated[int, typer.Option(metavar="N", min=1, help="Texts per step.")] = 32,
    max_tokens: Annotated[
        int, typer.Option(metavar="N", min=8, max=512, help="Length at which texts are truncated.")
    ] = 128,
) -> None:
    """Continue pre-training a base model on a shop's texts: masked language modelling, no labels needed.

    Ctrl-C stops it; the same command resumes from the last checkpoint. To use the result, run hangtag train with
    --base-model and the folder of --out.

    Example: hangtag pretrain shop.jsonl --out models/shop
    """
    with trainer_command(f"run the same command again to resume from the last checkpoint in {out}", out):
        from safetensors import SafetensorError  # noqa: PLC0415

        from hangtag.trainer.data.labelled import read_labelled  # noqa: PLC0415
        from hangtag.trainer.pretraining import PretrainingSettings, Step  # noqa: PLC0415
        from hangtag.trainer.pretraining import pretrain as run_pretraining  # noqa: PLC0415
        from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415

        columns = Columns.read(None, column or ()).model_copy(update={"labelled": False})
        settings = PretrainingSettings(
            base_model=base_model,
            epochs=epochs,
            learning_rate=learning_rate,
            batch_size=batch_size,
            max_tokens=max_tokens,
        )
        with StepBar(plain_console(stderr=True)) as bar:

            def on_step(at: Step) -> None:
                loss = "" if at.loss is None else f"  loss {at.loss:.3f}"
                bar.step(f"step {at.step}/{at.steps}{loss}", at.step, at.steps)

            bar.stage("Opening the files")
            texts = [product.text for product in read_labelled(files, columns)]
            try:
                result = run_pretraining(settings, texts, out, on_step, bar.stage)
            except SafetensorError as error:  # raised for a full disk
                msg = f"{out}: {error}; run the same command again to resume from the last checkpoint"
                raise CommandError(msg) from error
    table = make_table("texts", "steps", "before", "after", title="loss per masked token on held-out texts")
    table.add_row(f"{result.texts:,}", f"{result.steps:,}", f"{result.loss_before:.3f}", f"{result.loss_after:.3f}")
    stdout = plain_console()
    stdout.print(table)
    stdout.print(f"next: hangtag train ... --base-model {out}", soft_wrap=True)
