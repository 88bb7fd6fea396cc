"""Records on which a hop fails: their reasons, and the errors in the log."""

from collections.abc import Sequence

from hangtag.records import Record
from hangtag.tagger.isolate import Failure
from hangtag.telemetry import get_log, metrics
from hangtag.telemetry.places import place_of, stack_of
from hangtag.workers.item import Refused
from hangtag.workers.tracker import Ticket
from hangtag.write import Reason

_WHAT = {
    "decode": "the event cannot be read",
    "encode": "the tokenizer fails on this text",
    "forward": "the engine fails on this text",
}

_log = get_log(__name__)


def refuse(stage: str, failed: Sequence[tuple[Ticket, Record, Failure]]) -> list[Refused]:
    """The dead letters of records on which a stage failed although it works for others.

    The stack of each distinct error is logged once per call. Neither logs nor reasons have the errors' messages, which
    may quote a product's text.
    """
    places: dict[str, list[tuple[Record, Failure]]] = {}
    refused = []
    for ticket, record, failure in failed:
        place = place_of(failure.error)
        places.setdefault(place, []).append((record, failure))
        message = f"{_WHAT[stage]} because of a bug: {place}; report it with this record"
        reason = Reason(stage, type(failure.error).__name__, message, failure.attempts)
        refused.append(Refused(ticket, record, reason))
    for place, found in places.items():
        record, failure = found[0]
        stack = stack_of(failure.error)
        _log.error("record_failed", stage=stage, count=len(found), first=_name(record), error=place, stack=stack)
    return refused


def report(refused: Sequence[Refused]) -> None:
    """Count dead letters that the broker has acknowledged, and log the first of them."""
    for each in refused:
        metrics.DEAD_LETTERS.labels(each.reason.stage).inc()
    if refused:
        reason = refused[0].reason
        _log.warning(
            "dead_letters",
            count=len(refused),
            first=_name(refused[0].record),
            stage=reason.stage,
            error=reason.error,
            message=reason.message,
        )


def _name(record: Record) -> str:
    return f"{record.partition.topic}-{record.partition.number}@{record.offset}"
