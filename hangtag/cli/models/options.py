"""What the commands for models share: options, the place for bundles, and who decides."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from hangtag.cli.errors import CommandError

if TYPE_CHECKING:  # loads pydantic
    from hangtag.models import Shelf
    from hangtag.settings import Settings

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}")
_MOST_REASON = 1_000

Version = Annotated[
    str, typer.Argument(metavar="VERSION", help="Version of a bundle, or its first digits.", show_default=False)
]
Tags = Annotated[list[str], typer.Argument(metavar="TAG...", help="Tags, as facet:value.", show_default=False)]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the audit trail.", show_default=False)]
Note = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, shown with the bundle.")]
Actor = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Your pseudonym, for the record. Default: the setting models.actor, or a hash of your login.",
    ),
]
Unblock = Annotated[
    list[str] | None, typer.Option("--unblock", metavar="TAG", help="Lift the block of this tag. Repeatable.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Route = Annotated[
    str | None, typer.Option(metavar="NAME", help="The route that is meant. Default: the setting models.route.")
]


def open_shelf(settings: "Settings") -> "Shelf":
    """The place for bundles.

    Raises:
        CommandError: no place is set.
        ShelfError: it cannot be used.
    """
    from hangtag.models import Shelf  # noqa: PLC0415 (loads fsspec)

    if settings.models.store is None:
        msg = "there is no place for models: set HANGTAG_MODELS__STORE to a folder, or to a URL such as s3://bucket/models"
        raise CommandError(msg)
    return Shelf(settings.models.store)


def route_of(settings: "Settings", route: str | None) -> str:
    """The route that is meant.

    Raises:
        typer.BadParameter: it is not the name of one.
    """
    from hangtag.settings import ROUTE  # noqa: PLC0415

    if route is not None and not re.fullmatch(ROUTE, route):
        msg = "write lower-case letters, digits, hyphens and underscores, at most 64"
        raise typer.BadParameter(msg, param_hint="--route")
    return route or settings.models.route


def actor_of(settings: "Settings", actor: str | None) -> str:
    """The pseudonym of who decides.

    Raises:
        typer.BadParameter: it is not written like one.
        AuditError: this user has no login name.
    """
    from hangtag.audit import pseudonym_of  # noqa: PLC0415

    if actor is not None and not _NAME.fullmatch(actor):
        msg = "write 1 to 64 letters, digits, dots, hyphens and underscores, a letter or a digit first"
        raise typer.BadParameter(msg, param_hint="--actor")
    return actor or settings.models.actor or pseudonym_of(settings.models.actor_salt.get_secret_value())


def check_reason(reason: str) -> str:
    """A reason that says something.

    Raises:
        typer.BadParameter: it is empty or too long.
    """
    if not reason.strip() or len(reason) > _MOST_REASON:
        msg = f"write why, in at most {_MOST_REASON} characters"
        raise typer.BadParameter(msg, param_hint="--reason")
    return reason.strip()
