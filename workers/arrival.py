"""Which version of which product a record brings, for the product's mark in the store."""

from hangtag.records import EventError, Record, decode_version
from hangtag.store import Arrival
from hangtag.tagger.faults import OURS


def arrival_of(record: Record, max_record_bytes: int) -> Arrival | None:
    """The version that a record brings; None if it does not say that, or is larger than workers take.

    Raises:
        MemoryError, OSError: which no record causes.
    """
    try:
        found = decode_version(record.value, record.key, record.headers, record.timestamp_ms, max_record_bytes)
    except EventError:
        return None
    except OURS:
        raise
    except Exception:  # noqa: BLE001 (a bug that this record meets: its neighbours have to be marked)
        return None
    return Arrival(*found, record.partition.number, record.offset)
