"""The `decode` hop: records become items, one per product."""

from collections.abc import Sequence
from dataclasses import dataclass

from hangtag.records import EventError, Record, decode_event
from hangtag.workers.item import Item, Refused, collapse
from hangtag.workers.tracker import Ticket
from hangtag.write import Reason


@dataclass(frozen=True, slots=True)
class Decoded:
    """Items to tag, and records that cannot be read."""

    items: list[Item]
    refused: list[Refused]


def decode(polled: Sequence[tuple[Ticket, Record]], arrived_s: float, max_record_bytes: int) -> Decoded:
    """Read events and keep the newest one of each product, with the others behind it. Runs on the encode thread."""
    items, refused = [], []
    for ticket, record in polled:
        try:
            event = decode_event(record.value, record.key, record.headers, record.timestamp_ms, max_record_bytes)
        except EventError as error:
            reason = Reason(error.stage, type(error).__name__, error.reason)
            refused.append(Refused(ticket, record, reason))
        except Exception as error:  # noqa: BLE001 (a bug; the other records must not fail with it)
            reason = Reason("decode", type(error).__name__, "the event cannot be read because of a bug; report it")
            refused.append(Refused(ticket, record, reason))
        else:
            items.append(Item(ticket, record, event, arrived_s))
    return Decoded(collapse(items), refused)
