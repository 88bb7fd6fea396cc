"""Options of the commands for dead letters: which letters are meant, and who handles them."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hangtag.cli.errors import CommandError

if TYPE_CHECKING:  # it loads protobuf
    from hangtag.letters import Selection

Places = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PLACE]...", help="Places of letters, as the list shows them: 0@12.", show_default=False),
]
Stage = Annotated[
    Literal["read", "decode", "validate", "encode", "forward"] | None,
    typer.Option(help="Only letters that failed at this stage."),
]
Reason = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Only letters with this text in their error or their message.")
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Only letters since an ISO time (UTC unless it has a zone) or a duration such as 2h or 7d."
    ),
]
Until = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only letters before this time, written in the same way.")
]
Product = Annotated[str | None, typer.Option(metavar="ID", help="Only letters of this product.")]
Newest = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Only the newest N of these letters. Default: all of them.")
]
Everything = Annotated[bool, typer.Option("--all", help="Every letter that is not handled yet.")]
By = Annotated[
    str | None, typer.Option(metavar="NAME", help="Your login or pseudonym, for the record. Default: the login name.")
]
Note = Annotated[str, typer.Option(metavar="TEXT", help="Why, for those who look at the letters later.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def selection_of(
    topic: str,
    places: list[str] | None,
    stage: str | None,
    reason: str | None,
    since: str | None,
    until: str | None,
    product: str | None,
) -> "Selection":
    """The letters that the options mean.

    Raises:
        LetterError: a place or a time cannot be read.
    """
    from hangtag.letters import Place, Selection, parse_time  # noqa: PLC0415
    from hangtag.telemetry.clock import SystemClock  # noqa: PLC0415

    now_ms = SystemClock().wall_ms()
    return Selection(
        stage=stage,
        reason=reason,
        since_ms=None if since is None else parse_time(since, now_ms),
        until_ms=None if until is None else parse_time(until, now_ms),
        product_id=product,
        places=frozenset(Place.parse(each, topic) for each in places or ()),
    )


def check_is_chosen(selection: "Selection", *, everything: bool) -> None:
    """Nobody handles every letter by leaving something out.

    Raises:
        typer.BadParameter: neither letters nor `--all` are given.
    """
    if selection.is_open and not everything:
        msg = "name places, use a filter such as --stage or --reason, or add --all for every letter that is not handled"
        raise typer.BadParameter(msg)


def name_of(by: str | None) -> str:
    """Who handles the letters.

    Raises:
        CommandError: this user has no login name.
    """
    import getpass  # noqa: PLC0415

    if by:
        return by
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        msg = "this user has no login name: add --by NAME"
        raise CommandError(msg) from error
