"""What `replay` and `drop` share: choosing letters, asking, and handling them a few at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

import typer

from hangtag.cli.console import make_console
from hangtag.cli.dead_letters.choice import Choice, Refuse
from hangtag.cli.dead_letters.listing import print_summary
from hangtag.cli.dead_letters.reading import LetterReader, reading
from hangtag.cli.errors import CommandError
from hangtag.cli.progress import LiveStatus
from hangtag.cli.stopping import Stopped, stopping
from hangtag.letters import LetterError, Place, Selection
from hangtag.records import Record
from hangtag.settings import KafkaSettings

# Handles letters; returns the places of those that cannot be handled, with the reason.
Handle = Callable[[Sequence[Record]], dict[Place, str]]


class Plan(NamedTuple):
    """Which letters are meant, how many at most, and what to do without asking."""

    verb: str
    selection: Selection
    limit: int | None
    dry_run: bool
    yes: bool


def handle_letters(settings: KafkaSettings, plan: Plan, refuse: Refuse, handle: Handle) -> None:
    """Choose the letters, ask, and handle them; the last line says how many.

    Raises:
        CommandError: the brokers are away; what was handled stays so.
        typer.Exit: 1 if a letter that is meant was not handled, 130 if it was stopped.
    """
    choice, done = Choice(), 0
    try:
        with stopping(), reading(settings) as letters:
            with closing(letters.newest_first(plan.selection)) as found:
                choice.take(found, plan.selection, refuse, plan.limit)
            if not plan.dry_run and choice.places and not plan.yes:
                print_summary(choice.counts)
                _ask(plan.verb, len(choice.places))
            if not plan.dry_run:
                for done in _handled(letters, plan.verb, choice, handle):  # noqa: B007 (the count until an error)
                    pass
    except Stopped:
        typer.echo(f"stopped; {done:,} {plan.verb}; run the same command again to go on")
        raise typer.Exit(130) from None
    except (LetterError, CommandError) as error:
        msg = f"{error}; {done:,} letters were {plan.verb}; run the same command again to go on with the others"
        raise CommandError(msg) from error
    if plan.dry_run:
        print_summary(choice.counts)
    _print_refused(plan.verb, choice)
    left_out = sum(count for count, _ in choice.refused.values())
    counts = f"{left_out:,} left out, {choice.handled:,} handled before"
    if plan.dry_run:
        typer.echo(f"{len(choice.places):,} would be {plan.verb}, {counts}; nothing was changed")
    else:
        typer.echo(f"{done:,} {plan.verb}, {counts}")
    if choice.refused:
        raise typer.Exit(1)


def _handled(letters: LetterReader, verb: str, choice: Choice, handle: Handle) -> Iterator[int]:
    """Handle the chosen letters; yields how many are done."""
    done = 0
    with LiveStatus(make_console(stderr=True)) as status:
        for records in letters.chunks(choice.places):
            refused = handle(records)
            for place, reason in refused.items():
                choice.refuse(place, reason)
            done += len(records) - len(refused)
            status.show(f"{done:,} of {len(choice.places):,} {verb}")
            yield done


def _ask(verb: str, count: int) -> None:
    if not typer.confirm(f"{count:,} letters will be {verb}. Go on?"):
        typer.echo("nothing was changed")
        raise typer.Exit(1)


def _print_refused(verb: str, choice: Choice) -> None:
    """One line for each reason why letters are left out."""
    console = make_console(stderr=True)
    for reason, (count, place) in choice.refused.items():
        which = place.short if count == 1 else f"{count:,} letters such as {place.short}"
        console.print(f"not {verb}: {which}: {reason}", style="yellow", markup=False, soft_wrap=True)
