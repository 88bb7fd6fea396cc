"""`hangtag deadletters replay`."""

from typing import TYPE_CHECKING, Annotated

import typer

from hangtag.cli.dead_letters.options import (
    By,
    DryRun,
    Everything,
    Newest,
    Note,
    Places,
    Product,
    Reason,
    Since,
    Stage,
    Until,
    Yes,
    check_is_chosen,
    name_of,
    selection_of,
)

if TYPE_CHECKING:  # these load protobuf
    from collections.abc import Sequence

    from hangtag.letters import Place
    from hangtag.records import Record

_Again = Annotated[bool, typer.Option("--again", help="Also letters that were replayed or dropped before.")]
_Anyway = Annotated[
    bool, typer.Option("--anyway", help="Also records so old that a deletion after them may be forgotten.")
]


def replay(
    places: Places = None,
    stage: Stage = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    product: Product = None,
    everything: Everything = False,
    limit: Newest = None,
    again: _Again = False,
    anyway: _Anyway = False,
    by: By = None,
    note: Note = "",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Send dead letters to products.events again, once their cause is corrected.

    Each is sent with its key, value and headers, and with headers that say who sent it again, when and from where. The
    letter then counts as replayed, and the list hides it. If it fails again, it becomes a new dead letter that says so.

    Safe to repeat and to interrupt: a record that is not newer than what is stored changes nothing.

    The exit code is 1 if a letter was left out; the reason is printed.

    Example: hangtag deadletters replay --stage forward --since 2h --dry-run
    """
    from hangtag.cli.dead_letters.handling import Plan, handle_letters  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.kafka.tagged_topic import deletions_kept_ms  # noqa: PLC0415
    from hangtag.letters import LetterSender, ReplayRules  # noqa: PLC0415
    from hangtag.telemetry.clock import SystemClock  # noqa: PLC0415

    settings = settings_here()
    selection = selection_of(settings.kafka.dead_letter_topic, places, stage, reason, since, until, product)
    check_is_chosen(selection, everything=everything)
    clock = SystemClock()
    kept_ms = deletions_kept_ms(settings.kafka, settings.redis.deleted_ttl_s)
    rules = ReplayRules(clock.wall_ms(), kept_ms, anyway=anyway, again=again)
    with LetterSender(settings.kafka, name_of(by), note) as sender:

        def send(records: "Sequence[Record]") -> "dict[Place, str]":
            return sender.replay(records, clock.wall_ms())

        plan = Plan("replayed", selection, limit, dry_run, yes)
        handle_letters(settings.kafka, plan, rules.refusal, send)
