"""`hangtag model promote` and `hangtag model rollback`."""

from typing import Annotated

import typer

from hangtag.cli.errors import CommandError
from hangtag.cli.models.options import Actor, Reason, Route, Unblock, Version, Yes
from hangtag.cli.options import JsonOutput

_To = Annotated[
    str | None,
    typer.Option("--to", metavar="VERSION", help="The bundle to go back to. Default: the last other one in use."),
]


def promote(
    version: Version,
    reason: Reason,
    unblock: Unblock = None,
    actor: Actor = None,
    route: Route = None,
    yes: Yes = False,
    as_json: JsonOutput = False,
) -> None:
    """Put a bundle into use. Workers and servers that follow the route load it and change over, without a restart.

    Tags that are blocked stay so, whatever the bundle's own schema says, unless --unblock lifts a block.

    Example: hangtag model promote 3f9c21 --reason "trained on the data of October"
    """
    from hangtag.cli.models.deciding import decide, read_history  # noqa: PLC0415
    from hangtag.cli.models.options import actor_of, check_reason, open_shelf, route_of  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.models import Kind, blocks_after  # noqa: PLC0415

    settings = settings_here()
    why, who, where = check_reason(reason), actor_of(settings, actor), route_of(settings, route)
    listed = open_shelf(settings).check(version)
    before = read_history(settings).current(where)
    blocked = blocks_after(before, listed.blocked, unblock=unblock or ())
    is_same = before is not None and before.bundle_version == listed.version and blocked == {*before.blocked}
    if before is not None and is_same:
        msg = f"{listed.version[:12]} is in use already, since sequence {before.sequence}"
        raise CommandError(msg)
    decide(
        settings, Kind.PROMOTE, before, listed, blocked, route=where, actor=who, reason=why, yes=yes, as_json=as_json
    )


def rollback(
    reason: Reason,
    to: _To = None,
    unblock: Unblock = None,
    actor: Actor = None,
    route: Route = None,
    yes: Yes = False,
    as_json: JsonOutput = False,
) -> None:
    """Go back to the bundle that was in use before. That is a later decision: its sequence is larger.

    Tags that are blocked stay so, also those that were blocked since, unless --unblock lifts a block.

    Example: hangtag model rollback --reason "too many shoes are boots"
    """
    from hangtag.cli.models.deciding import decide, read_history  # noqa: PLC0415
    from hangtag.cli.models.options import actor_of, check_reason, open_shelf, route_of  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.models import Kind, blocks_after  # noqa: PLC0415

    settings = settings_here()
    why, who, where = check_reason(reason), actor_of(settings, actor), route_of(settings, route)
    history = read_history(settings)
    before, former = history.current(where), history.former(where)
    if before is None or (to is None and former is None):
        msg = f"there is nothing to go back to on the route {where}: `hangtag model history` shows what was in use"
        raise CommandError(msg)
    listed = open_shelf(settings).check(to or (former.bundle_version if former else ""))
    if listed.version == before.bundle_version:
        msg = f"{listed.version[:12]} is in use already, since sequence {before.sequence}"
        raise CommandError(msg)
    blocked = blocks_after(before, listed.blocked, unblock=unblock or ())
    decide(
        settings, Kind.ROLLBACK, before, listed, blocked, route=where, actor=who, reason=why, yes=yes, as_json=as_json
    )
