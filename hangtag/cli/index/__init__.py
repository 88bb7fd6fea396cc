"""`hangtag index`: the index of search, its process and its check."""

import typer

from hangtag.cli.help_text import help_text
from hangtag.cli.index.check import check
from hangtag.cli.index.serve import serve

index = typer.Typer(no_args_is_help=True, help="The index of search: products by their tags.")
for command in (serve, check):
    index.command(help=help_text(command))(command)

__all__ = ["index"]
