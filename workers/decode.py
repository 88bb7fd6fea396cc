"""The `decode` hop: records become items, one per product."""

from collections.abc import Sequence
from dataclasses import dataclass

from hangtag.records import Event, EventError, Record, decode_event
from hangtag.tagger.faults import STOPS, FaultError
from hangtag.tagger.isolate import Failure, isolate
from hangtag.telemetry.places import summary_of
from hangtag.workers.failures import refuse
from hangtag.workers.item import Item, Refused, collapse
from hangtag.workers.tracker import Ticket
from hangtag.write import Reason

_HARMLESS = b'{"product": {"product_id": "probe", "version": 1, "title": "a probe"}}'


@dataclass(frozen=True, slots=True)
class Decoded:
    """Items to tag, and records that cannot be read."""

    items: list[Item]
    refused: list[Refused]


def decode(polled: Sequence[tuple[Ticket, Record]], arrived_s: float, max_record_bytes: int) -> Decoded:
    """Read events and keep the newest one of each product, with the others behind it. Runs on the encode thread.

    Raises:
        FaultError: no event can be read, or memory or disk fail; nothing may be settled.
    """

    def read(some: Sequence[tuple[Ticket, Record]]) -> list[Event | EventError]:
        return [_read(record, max_record_bytes) for _, record in some]

    items: list[Item] = []
    refused: list[Refused] = []
    failed: list[tuple[Ticket, Record, Failure]] = []
    for (ticket, record), found in zip(polled, isolate(read, polled, _probe), strict=True):
        if isinstance(found, Failure):
            failed.append((ticket, record, found))
        elif isinstance(found, EventError):
            refused.append(Refused(ticket, record, Reason(found.stage, type(found).__name__, found.reason)))
        else:
            items.append(Item(ticket, record, found, arrived_s))
    return Decoded(collapse(items), refused + refuse("decode", failed))


def _read(record: Record, max_record_bytes: int) -> Event | EventError:
    try:
        return decode_event(record.value, record.key, record.headers, record.timestamp_ms, max_record_bytes)
    except EventError as error:
        return error


def _probe() -> None:
    """Read a harmless event. Raises FaultError if that fails too."""
    try:
        decode_event(_HARMLESS, None, (), 0, len(_HARMLESS))
    except STOPS:
        raise
    except BaseException as error:
        msg = f"no event can be read ({summary_of(error)}); restart"
        raise FaultError(msg) from error
