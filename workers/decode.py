"""The second hop: polled records become items, one a product."""

from collections.abc import Sequence
from dataclasses import dataclass

from hangtag.records import EventError, Record, decode_event
from hangtag.workers.item import Item, Refused, collapse
from hangtag.workers.sink import Reason
from hangtag.workers.tracker import Ticket

Polled = Sequence[tuple[Ticket, Record]]


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes on, and what cannot be read."""

    items: list[Item]
    refused: list[Refused]


def batch(polled: Polled, arrived_s: float, max_value_bytes: int) -> Batch:
    """Decode records; of the events of one product keep the newest, the others behind it. Runs on the encode lane."""
    items, refused = [], []
    for ticket, record in polled:
        try:
            event = decode_event(record.value, record.key, record.headers, record.timestamp_ms, max_value_bytes)
        except EventError as error:
            reason = Reason(error.stage, type(error).__name__, error.reason)
            refused.append(Refused(ticket, record, reason))
        except Exception as error:  # noqa: BLE001 (a fault of ours; the neighbours must not fail with it)
            reason = Reason("decode", type(error).__name__, "the event cannot be read; keep the record: it is a bug")
            refused.append(Refused(ticket, record, reason))
        else:
            items.append(Item(ticket, record, event, arrived_s))
    return Batch(collapse(items), refused)
