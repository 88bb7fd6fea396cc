"""`hangtag bundle`: commands for bundle folders."""

from pathlib import Path
from typing import Annotated

import typer

from hangtag.cli.console import plain_console
from hangtag.cli.errors import CommandError
from hangtag.cli.help_text import help_text

bundle = typer.Typer(no_args_is_help=True, help="Convert bundles to the current format.")


@bundle.callback()
def _bundle() -> None:
    # Without a callback typer would merge a single command into its group.
    pass


def upgrade(folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of the bundle.")]) -> None:
    """Convert a bundle of format 1 to the current format, in place.

    Weights, tokenizer and tag schema stay the same to the byte, and so do the answers; the version changes. A bundle of
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


bundle.command(help=help_text(upgrade))(upgrade)
