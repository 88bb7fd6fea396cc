"""`hangtag bundle ...`."""

from pathlib import Path
from typing import Annotated

import typer

from hangtag.cli.console import plain_console
from hangtag.cli.errors import CommandError

bundle = typer.Typer(no_args_is_help=True, help="Bundle folders.")


@bundle.callback()
def _bundle() -> None:
    """Convert bundles to the current format."""  # without a callback typer would merge a single command into its group


@bundle.command()
def upgrade(folder: Annotated[Path, typer.Argument(help="the bundle's folder; it is converted in place")]) -> None:
    """Convert a bundle of format 1 to the format that this hangtag reads.

    Weights, tokenizer and schema stay the same to the byte and the answers do not change; the version does. A bundle of
    the current format is left as it is.

    Example: hangtag bundle upgrade bundles/shop
    """
    from hangtag.bundle import upgrade_bundle  # noqa: PLC0415

    try:
        manifest = upgrade_bundle(folder)
    except OSError as error:
        msg = f"{error.filename or folder}: {error.strerror or error}"
        raise CommandError(msg) from error
    plain_console().print(f"{folder} has format {manifest.format}, version {manifest.version[:12]}", soft_wrap=True)
