"""Repairs the end of `products.tagged`: where a record is behind the store, the store's entry is produced again.

A writer that dies after its older record arrived behind a newer one cannot repair that itself.
"""

from collections.abc import Sequence

from hangtag.records import Record
from hangtag.store import Entry, TagStore
from hangtag.telemetry import get_log
from hangtag.write import RecordSink, TaggedRecordError, Writes, entry_of

_log = get_log(__name__)


class TailRepair:
    """One thread calls it. After an error `run` may be called again with the same records."""

    def __init__(self, store: TagStore, sink: RecordSink) -> None:
        self._store = store
        self._sink = sink

    def run(self, records: Sequence[Record]) -> int:
        """Compare the last record of each product with the store; return how many were behind it.

        A product that the store does not hold is left alone: an absent key is not a deletion. So is one of which the
        store has lost the newest: a rebuild restores it.

        Raises:
            StoreError: the store did not answer.
            SinkError: the brokers did not acknowledge what was produced.
        """
        last: dict[str, Entry] = {}
        for record in records:
            try:
                entry = entry_of(record.key, record.value, record.headers)
            except TaggedRecordError as error:
                _log.warning("tagged_record_unreadable", offset=record.offset, message=str(error))
            else:
                last[entry.product_id] = entry
        held = self._store.read(list(last))
        ahead = [stored for stored, entry in zip(held, last.values(), strict=True) if _is_ahead(stored, entry)]
        stored = [entry for entry in ahead if entry is not None]
        Writes.of_stored(stored).run(self._store, self._sink)
        return len(stored)


def _is_ahead(stored: Entry | None, entry: Entry) -> bool:
    return stored is not None and (stored.rank > entry.rank or (stored.rank == entry.rank and stored != entry))
