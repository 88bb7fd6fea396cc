"""What promote, rollback, block and unblock share: asking, deciding, and saying what is in use now."""

import sys
from collections.abc import Collection
from contextlib import closing
from typing import TYPE_CHECKING

import typer

from hangtag.cli.console import plain_console

if TYPE_CHECKING:  # loads kafka-python and redis-py
    from hangtag.models import History, Kind, Listed, Pointer
    from hangtag.settings import Settings

_SHOWN = 12


def read_history(settings: "Settings") -> "History":
    """What was decided so far, after a look at the topics.

    Raises:
        ModelsTopicError: the decisions cannot be read, or a topic has a configuration that could lose them.
    """
    from hangtag.models import ModelsTopic  # noqa: PLC0415

    topic = ModelsTopic(settings.kafka)
    history = topic.read()
    topic.check()
    return history


def decide(
    settings: "Settings",
    kind: "Kind",
    before: "Pointer | None",
    listed: "Listed",
    blocked: Collection[str],
    *,
    route: str,
    actor: str,
    reason: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Ask, where a person is at the terminal; decide; print the pointer.

    Raises:
        AuditError: the decision could not be recorded, so nothing was changed.
        LostRaceError: somebody else decided first, so nothing was changed.
        ModelsTopicError: the topic does not acknowledge.
        typer.Exit: the person does not want it.
    """
    from hangtag.audit import AuditLog  # noqa: PLC0415
    from hangtag.models import Decisions, ModelsTopic, PointerRecord  # noqa: PLC0415

    added, lifted = _changes(before, blocked)
    if not yes and not as_json and is_a_person():
        _ask(before, listed, added, lifted, route)
    audit = AuditLog(settings.kafka)
    audit.check()
    with closing(PointerRecord(settings.redis)) as record:
        decided = Decisions(ModelsTopic(settings.kafka), audit, record, actor=actor, reason=reason).decide(
            kind,
            before,
            route=route,
            bundle_version=listed.version,
            integrity=listed.integrity,
            blocked=frozenset(blocked),
        )
    if decided.trouble:
        typer.echo(f"warning: {decided.trouble}", err=True)
    if as_json:
        sys.stdout.write(decided.pointer.to_json() + "\n")
        return
    console = plain_console()
    pointer = decided.pointer
    console.print(
        f"{route}: {pointer.bundle_version[:_SHOWN]} ({listed.manifest.get('name', '')}) is in use, "
        f"sequence {pointer.sequence}",
        soft_wrap=True,
    )
    if added:
        console.print(f"blocked from now on: {', '.join(added)}", soft_wrap=True)
    if lifted:
        console.print(f"no longer blocked: {', '.join(lifted)}", soft_wrap=True)
    if pointer.blocked:
        console.print(f"all blocked tags: {', '.join(pointer.blocked)}", soft_wrap=True)


def is_a_person() -> bool:
    """Whether somebody is at the terminal who can be asked."""
    return sys.stdin.isatty()


def _changes(before: "Pointer | None", blocked: Collection[str]) -> tuple[list[str], list[str]]:
    was = {*(before.blocked if before else ())}
    return sorted({*blocked} - was), sorted(was - {*blocked})


def _ask(before: "Pointer | None", listed: "Listed", added: list[str], lifted: list[str], route: str) -> None:
    old = before.bundle_version[:_SHOWN] if before else "nothing"
    changes = "".join(
        f"; {what} {', '.join(tags)}" for what, tags in (("blocks", added), ("lifts the block of", lifted)) if tags
    )
    if not typer.confirm(f"{route}: from {old} to {listed.version[:_SHOWN]}{changes}. Go on?"):
        typer.echo("nothing was changed")
        raise typer.Exit(1)
