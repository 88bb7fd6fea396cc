"""`hangtag bundle export` and `hangtag bundle card`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hangtag.cli.console import plain_console
from hangtag.cli.trainer_command import trainer_command

BundleFolder = Annotated[str, typer.Argument(metavar="BUNDLE", help="Folder of the bundle, or starter.")]
Licence = Annotated[
    str, typer.Option(metavar="NAME", help="Licence of the model, as the card states it: apache-2.0, proprietary.")
]


def export(
    folder: BundleFolder,
    to: Annotated[
        Literal["huggingface", "onnx"],
        typer.Option("--format", help="For Hugging Face's libraries, or for ONNX runtimes."),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="New folder to write.")],
    licence: Licence = "not stated",
) -> None:
    """Write a bundle's encoder and head for other libraries, with tokenizer, tags and model card.

    The weights are the bundle's as float32. Left out are the wide part, calibration and thresholds: use Hangtag where
    their answers are needed.

    Example: hangtag bundle export bundles/shop --format huggingface --out shop-hf
    """
    with trainer_command("nothing was written", out):
        from hangtag.bundle import STARTER, load_bundle  # noqa: PLC0415
        from hangtag.trainer.exporting.huggingface import write_huggingface  # noqa: PLC0415
        from hangtag.trainer.exporting.onnx_model import write_onnx  # noqa: PLC0415

        bundle = load_bundle(folder)
        source = STARTER if folder == "starter" else Path(folder)
        write = write_onnx if to == "onnx" else write_huggingface
        with plain_console(stderr=True).status("Writing"):
            write(source, bundle, out, licence=licence)
    plain_console().print(f"{out} has version {bundle.version[:12]}", soft_wrap=True)


def card(
    folder: BundleFolder,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="File to write. Default: print it.")] = None,
    licence: Licence = "not stated",
    use: Annotated[str, typer.Option(metavar="TEXT", help="What the model is for, in a sentence or two.")] = "",
) -> None:
    """Write a bundle's model card in Markdown: data, quality, promises, limits.

    Training writes one into the run's folder; this command adds the licence and the intended use.

    Example: hangtag bundle card bundles/shop --licence proprietary --out model-card.md
    """
    with trainer_command("nothing was written", out):
        from hangtag.bundle import load_bundle  # noqa: PLC0415
        from hangtag.trainer.exporting.card import card_of  # noqa: PLC0415
        from hangtag.trainer.files.atomic_file import write_text  # noqa: PLC0415

        text = card_of(load_bundle(folder), licence=licence, intended_use=use)
        if out is not None:
            write_text(out, text)
    if out is None:
        typer.echo(text, nl=False)
    else:
        plain_console().print(str(out), soft_wrap=True)
