"""Fills the store again from one partition of `products.tagged`, without a model."""

from collections.abc import Sequence

from hangtag.records import Record
from hangtag.store import Entry, Outcome, Rank, TagStore
from hangtag.telemetry import get_log
from hangtag.write.offer import offer
from hangtag.write.sink import RecordSink
from hangtag.write.tagged_record import TaggedRecordError, entry_of
from hangtag.write.writes import Writes

_log = get_log(__name__)


class PartitionRebuild:
    """Takes the records of one partition from its beginning to its end.

    `restored` counts entries that the store did not hold, `unreadable` records that Hangtag did not write. Memory grows
    with the number of products in the partition.
    """

    def __init__(self, store: TagStore, sink: RecordSink) -> None:
        self._store = store
        self._sink = sink
        self._newest: dict[str, Rank] = {}
        self._behind: set[str] = set()
        self.restored = 0
        self.unreadable = 0

    def take(self, records: Sequence[Record]) -> None:
        """Write the newest entry of each product to the store, if it is newer than what the store holds.

        Raises:
            StoreError: the store did not take everything; take the same records again.
        """
        entries: dict[str, Entry] = {}
        for record in records:
            try:
                entry = entry_of(record.key, record.value, record.headers)
            except TaggedRecordError as error:
                self.unreadable += 1
                _log.warning("tagged_record_unreadable", offset=record.offset, message=str(error))
                continue
            product_id, rank = entry.product_id, entry.rank
            newest = self._newest.get(product_id)
            if newest is None or rank >= newest:
                self._newest[product_id] = rank
                self._behind.discard(product_id)
                entries[product_id] = entry
            else:
                self._behind.add(product_id)
        answers = offer(self._store, [(entry, None) for entry in entries.values()])
        self.restored += sum(answer.outcome is Outcome.WRITTEN for answer in answers)

    def finish(self) -> int:
        """Produce the store's entry of each product whose last record is not its newest; return how many.

        Raises:
            StoreError: the store did not answer.
            SinkError: the brokers did not acknowledge everything.
        """
        stored = [entry for entry in self._store.read(sorted(self._behind)) if entry is not None]
        Writes.of_stored(stored).run(self._store, self._sink)
        return len(stored)
