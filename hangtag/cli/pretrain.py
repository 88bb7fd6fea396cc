"""`hangtag pretrain`."""

from pathlib import Path
from typing import Annotated

import typer

from hangtag.cli.errors import CommandError
from hangtag.cli.plain_console import plain_console
from hangtag.cli.step_bar import StepBar
from hangtag.cli.stopping import Stopped, stopping
from hangtag.cli.tables import make_table


def pretrain(
    files: Annotated[list[Path], typer.Argument(help="JSONL, CSV or Parquet files; labels are not read")],
    out: Annotated[Path, typer.Option(help="folder of the new base model; resumes")],
    column: Annotated[list[str] | None, typer.Option(help="where these files keep what: title=Name; repeat it")] = None,
    base_model: Annotated[str, typer.Option(help="`starter`, a checkpoint's folder or a hub name")] = "starter",
    epochs: Annotated[int, typer.Option(min=1)] = 1,
    learning_rate: Annotated[float, typer.Option(min=1e-9)] = 5e-5,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    max_tokens: Annotated[int, typer.Option(min=8, max=512)] = 128,
) -> None:
    """Let a base model read a shop's texts before it is fine-tuned: masked language modelling, no labels needed.

    Ctrl-C stops it; the same command goes on from the last checkpoint. What comes out is a base model for `train`.

    Example: hangtag pretrain shop.jsonl --out models/shop, then hangtag train ... --base-model models/shop
    """
    try:
        from safetensors import SafetensorError  # noqa: PLC0415

        from hangtag.trainer.data.labelled import LabelledFileError, read_labelled  # noqa: PLC0415
        from hangtag.trainer.files.folder_lock import FolderInUseError  # noqa: PLC0415
        from hangtag.trainer.fitting.base_model import BaseModelError  # noqa: PLC0415
        from hangtag.trainer.pretraining import PretrainingError, PretrainingSettings, Step  # noqa: PLC0415
        from hangtag.trainer.pretraining import pretrain as go_on  # noqa: PLC0415
        from hangtag.trainer.recipe.columns import Columns, ColumnsError  # noqa: PLC0415 (torch loads only for those who train)
    except ImportError as error:
        msg = f"{error}; training needs more packages: pip install 'hangtag[train]'"
        raise CommandError(msg) from error
    console = plain_console(stderr=True)
    try:
        columns = Columns.read(None, column or ()).model_copy(update={"labelled": False})
        settings = PretrainingSettings(
            base_model=base_model,
            epochs=epochs,
            learning_rate=learning_rate,
            batch_size=batch_size,
            max_tokens=max_tokens,
        )
        with stopping(), StepBar(console) as bar:

            def tell(at: Step) -> None:
                loss = "" if at.loss is None else f"  loss {at.loss:.3f}"
                bar.step(f"step {at.step}/{at.steps}{loss}", at.step, at.steps)

            bar.stage("Opening the files")
            texts = [product.text for product in read_labelled(files, columns)]
            found = go_on(settings, texts, out, tell, bar.stage)
    except (ColumnsError, LabelledFileError, BaseModelError, PretrainingError, FolderInUseError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        msg = f"{error.filename or out}: {error.strerror or error}"
        raise CommandError(msg) from error
    except SafetensorError as error:  # what it says of a full disk
        msg = f"{out}: {error}; the same command goes on from the last checkpoint"
        raise CommandError(msg) from error
    except Stopped:
        console.print(f"stopped; the same command goes on from the last checkpoint in {out}", soft_wrap=True)
        raise typer.Exit(130) from None
    table = make_table(
        "texts", "steps", "before", "after", title="loss per masked token, on texts that it has not read"
    )
    table.add_row(f"{found.texts:,}", f"{found.steps:,}", f"{found.loss_before:.3f}", f"{found.loss_after:.3f}")
    stdout = plain_console()
    stdout.print(table)
    stdout.print(f"base model: hangtag train ... --base-model {out}", soft_wrap=True)
