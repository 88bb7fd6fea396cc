"""`hangtag model`."""

import typer

from hangtag.cli.help_text import help_text
from hangtag.cli.models.block import block, unblock
from hangtag.cli.models.listing import at, history, list_models, show
from hangtag.cli.models.products import products
from hangtag.cli.models.promote import promote, rollback
from hangtag.cli.models.push import push
from hangtag.cli.models.stage import stage

model = typer.Typer(
    no_args_is_help=True,
    help="Move models into production and back: bundles in one place (models.store), and which of them is in use."
    "\n\nExample: hangtag model list",
)
model.command("list", help=help_text(list_models))(list_models)
for command in (push, show, stage, promote, rollback, block, unblock, history, at, products):
    model.command(help=help_text(command))(command)
