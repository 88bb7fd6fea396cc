"""`hangtag retag` and its commands."""

from typing import Any

import typer
from typer.core import TyperGroup

from hangtag.cli.help_text import help_text
from hangtag.cli.retag.ending import finalize, undo
from hangtag.cli.retag.run import run


class _RunByDefault(TyperGroup):
    """Without the name of a command it is `run`, with the same options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)


retag = typer.Typer(
    cls=_RunByDefault,
    help="Tag products again with the bundle in use, undo that, or make it final. Without a command: run."
    "\n\nExample: hangtag retag --max-per-s 200",
)
for command in (run, undo, finalize):
    retag.command(help=help_text(command))(command)
