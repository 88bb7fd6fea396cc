"""Marks versions of products as received, ahead of the workers."""

from collections.abc import Sequence

from hangtag.kafka.raw_batch import RawBatch
from hangtag.records import Record
from hangtag.store import Arrival, TagStore
from hangtag.workers.arrival import arrival_of


class Arrivals:
    """One thread calls it with records in their order."""

    def __init__(self, store: TagStore, max_record_bytes: int) -> None:
        self._store = store
        self._max_record_bytes = max_record_bytes

    def take(self, records: Sequence[Record]) -> int:
        """Mark the newest version of each product and return how many of the records say their product and version.

        The others become dead letters without a mark, once a worker reads them.

        Raises:
            StoreError: the store did not take everything; take the same records again.
        """
        found = [
            arrival
            for record in records
            if not isinstance(record.value, RawBatch)
            and (arrival := arrival_of(record, self._max_record_bytes)) is not None
        ]
        newest: dict[str, Arrival] = {}
        for arrival in found:
            known = newest.get(arrival.product_id)
            if known is None or arrival.version > known.version:
                newest[arrival.product_id] = arrival
        self._store.mark_seen(list(newest.values()))
        return len(found)
