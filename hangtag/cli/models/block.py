"""`hangtag model block` and `hangtag model unblock`."""

import difflib
from typing import TYPE_CHECKING

from hangtag.cli.errors import CommandError
from hangtag.cli.models.options import Actor, Reason, Route, Tags, Yes
from hangtag.cli.options import JsonOutput

if TYPE_CHECKING:  # loads pydantic
    from hangtag.models import Kind


def block(
    tags: Tags, reason: Reason, actor: Actor = None, route: Route = None, yes: Yes = False, as_json: JsonOutput = False
) -> None:
    """Block tags at once: they are neither stored nor served from now on. The bundle in use stays the same.

    Servers that follow the route leave them out of what is stored already.

    Example: hangtag model block "color:nude" --reason "customers complain"
    """
    from hangtag.models import Kind  # noqa: PLC0415

    _change(Kind.BLOCK, tags, reason, actor, route, yes=yes, as_json=as_json)


def unblock(
    tags: Tags, reason: Reason, actor: Actor = None, route: Route = None, yes: Yes = False, as_json: JsonOutput = False
) -> None:
    """Lift the block of tags. Products get them again when they are tagged the next time.

    Example: hangtag model unblock "color:nude" --reason "it was the wrong tag"
    """
    from hangtag.models import Kind  # noqa: PLC0415

    _change(Kind.UNBLOCK, tags, reason, actor, route, yes=yes, as_json=as_json)


def _change(
    kind: "Kind", tags: list[str], reason: str, actor: str | None, route: str | None, *, yes: bool, as_json: bool
) -> None:
    from hangtag.bundle.files import SCHEMA  # noqa: PLC0415
    from hangtag.cli.models.deciding import decide, read_history  # noqa: PLC0415
    from hangtag.cli.models.options import actor_of, check_reason, open_shelf, route_of  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.models import Kind, blocks_after  # noqa: PLC0415
    from hangtag.tags.schema import TagSchema  # noqa: PLC0415

    settings = settings_here()
    why, who, where = check_reason(reason), actor_of(settings, actor), route_of(settings, route)
    before = read_history(settings).current(where)
    if before is None:
        msg = f"no bundle is in use on the route {where}: promote one first, with `hangtag model promote`"
        raise CommandError(msg)
    shelf = open_shelf(settings)
    listed = shelf.facts(before.bundle_version)
    if kind is Kind.BLOCK:
        _check_known(tags, TagSchema.model_validate_json(shelf.content(listed.version, SCHEMA)).tags)
        if not {*tags} - {*before.blocked}:
            msg = f"blocked already: {', '.join(tags)}"
            raise CommandError(msg)
        blocked = blocks_after(before, listed.blocked, block=tags)
    else:
        blocked = blocks_after(before, listed.blocked, unblock=tags)
    decide(settings, kind, before, listed, blocked, route=where, actor=who, reason=why, yes=yes, as_json=as_json)


def _check_known(tags: list[str], known: tuple[str, ...]) -> None:
    for tag in tags:
        if tag not in known:
            close = difflib.get_close_matches(tag, known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            msg = f"the bundle in use has no tag {tag}{hint}"
            raise CommandError(msg)
