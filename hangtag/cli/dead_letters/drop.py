"""`hangtag deadletters drop`."""

from typing import TYPE_CHECKING

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

    from hangtag.letters import Letter, Place, Resolution
    from hangtag.records import Record


def drop(
    places: Places = None,
    stage: Stage = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    product: Product = None,
    everything: Everything = False,
    limit: Newest = None,
    by: By = None,
    note: Note = "",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Mark dead letters as handled without sending them again, so that the list hides them.

    The letters stay in the topic until its retention ends: `hangtag deadletters list --all` shows them with who dropped
    them and why, and `hangtag deadletters replay --again` still sends them.

    Example: hangtag deadletters drop --stage decode --reason "not valid JSON" --note "test data of the shop"
    """
    from hangtag.cli.dead_letters.handling import Plan, handle_letters  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.letters import DROPPED, LetterSender  # noqa: PLC0415
    from hangtag.telemetry.clock import SystemClock  # noqa: PLC0415

    settings = settings_here().kafka
    selection = selection_of(settings.dead_letter_topic, places, stage, reason, since, until, product)
    check_is_chosen(selection, everything=everything)
    clock = SystemClock()
    with LetterSender(settings, name_of(by), note) as sender:

        def mark(records: "Sequence[Record]") -> "dict[Place, str]":
            sender.resolve(records, DROPPED, clock.wall_ms())
            return {}

        handle_letters(settings, Plan("dropped", selection, limit, dry_run, yes), _refusal, mark)


def _refusal(_: "Letter", resolution: "Resolution | None") -> str | None:
    return None if resolution is None else f"it was {resolution.what} already"
