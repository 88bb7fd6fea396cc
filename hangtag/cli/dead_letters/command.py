"""`hangtag deadletters` and `hangtag deadletters list`."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hangtag.cli.dead_letters.drop import drop
from hangtag.cli.dead_letters.options import Product, Reason, Since, Stage, Until, selection_of
from hangtag.cli.dead_letters.replay import replay
from hangtag.cli.dead_letters.show import show
from hangtag.cli.help_text import help_text
from hangtag.cli.options import JsonOutput

_Limit = Annotated[int, typer.Option(metavar="N", min=1, help="Number of letters to show.")]
_Handled = Annotated[bool, typer.Option("--all", help="Also letters that were replayed or dropped.")]
_Summary = Annotated[bool, typer.Option("--summary", help="Count all letters by stage and error instead.")]


def list_letters(
    limit: _Limit = 20,
    stage: Stage = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    product: Product = None,
    with_handled: _Handled = False,
    summary: _Summary = False,
    as_json: JsonOutput = False,
) -> None:
    """Show the records that could not be tagged, with the reason: the newest ones, newest last.

    Letters that were replayed or dropped are left out.

    Example: hangtag deadletters list --stage validate --since 2h
    """
    from collections import Counter  # noqa: PLC0415
    from contextlib import closing  # noqa: PLC0415
    from itertools import islice  # noqa: PLC0415

    from hangtag.cli.dead_letters.listing import as_row, print_letters, print_summary  # noqa: PLC0415
    from hangtag.cli.dead_letters.reading import reading  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415

    settings = settings_here().kafka
    selection = selection_of(settings.dead_letter_topic, None, stage, reason, since, until, product)
    try:
        with stopping(), reading(settings) as letters, closing(letters.newest_first(selection)) as newest:
            meant = (each for each in newest if with_handled or each[1] is None)
            if summary:
                counts = Counter((letter.stage, letter.error) for letter, _ in meant)
            else:
                found = list(islice(meant, limit))[::-1]
    except Stopped:
        raise typer.Exit(130) from None
    if summary and as_json:
        print_json([{"stage": stage, "error": error, "letters": n} for (stage, error), n in counts.most_common()])
    elif summary:
        print_summary(counts)
    elif as_json:
        print_json([as_row(*each) for each in found])
    elif found:
        print_letters(found)
    else:
        these = "dead letters" if selection.is_open else "dead letters like these"
        handled = "" if with_handled else " that are not handled"
        typer.echo(f"no {these}{handled} in {settings.dead_letter_topic} at {settings.bootstrap}")


class _ListByDefault(TyperGroup):
    """Without the name of a command it is `list`, with the same options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


deadletters = typer.Typer(
    cls=_ListByDefault,
    help="Show the records that could not be tagged, send them again, or mark them as handled. Without a command: list."
    "\n\nExample: hangtag deadletters --limit 5",
)


deadletters.command("list", help=help_text(list_letters))(list_letters)
for command in (show, replay, drop):
    deadletters.command(help=help_text(command))(command)
