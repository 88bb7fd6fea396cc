"""Repairs the end of `products.tagged`: a last record that is behind the store is followed by the newest.

A writer that dies after its older record arrived behind a newer one cannot repair that itself.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from hangtag.records import Partition, Record
from hangtag.store import Entry, TagStore
from hangtag.write import RecordSink, Writes, entries_of

# A writer stores before it produces: the newer record is usually on its way.
_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class _Behind:
    """The last record read of a product is behind the store; a newer one may follow up to the offset `end`."""

    entry: Entry
    partition: Partition
    offset: int
    end: int
    since_s: float


class TailRepair:
    """One thread calls it: `take` with the records as they are read, `repair` after each poll.

    Only a record that nothing newer follows is repaired: its partition must have been read to the end that it had when
    the record was read, and the writer of the newer entry gets a few seconds to produce it.
    """

    def __init__(self, store: TagStore, sink: RecordSink) -> None:
        self._store = store
        self._sink = sink
        self._behind: dict[str, _Behind] = {}

    def take(self, records: Sequence[Record], ends: Mapping[Partition, int], now_s: float) -> None:
        """Compare records with the store. `ends` are the end offsets of their partitions, where they are known.

        A product that the store does not hold is left alone: an absent key is not a deletion. So is one of which the
        store has lost the newest: a rebuild restores it.

        Raises:
            StoreError: the store did not answer; take the same records again.
        """
        last = {entry.product_id: (entry, record) for entry, record in entries_of(records)}
        for stored, (entry, record) in zip(self._store.read(list(last)), last.values(), strict=True):
            if _is_ahead(stored, entry):
                end = ends.get(record.partition, 0)
                found = _Behind(entry, record.partition, record.offset, end, now_s)
                self._behind[entry.product_id] = found
            else:
                self._behind.pop(entry.product_id, None)

    def repair(self, positions: Mapping[Partition, int], now_s: float) -> int:
        """Produce the store's entry for what is still behind, and return how many.

        `positions` are the next offsets to read.

        Raises:
            StoreError: the store did not answer; call again.
            SinkError: the brokers did not acknowledge everything; call again.
        """
        due = {
            product_id: found
            for product_id, found in self._behind.items()
            if positions.get(found.partition, -1) >= found.end and now_s - found.since_s >= _GRACE_S
        }
        held = self._store.read(list(due))
        ahead = [
            stored
            for stored, found in zip(held, due.values(), strict=True)
            if stored is not None and _is_ahead(stored, found.entry)
        ]
        Writes.of_stored(ahead).run(self._store, self._sink)
        for product_id in due:
            del self._behind[product_id]
        return len(ahead)

    def committable(self, positions: Mapping[Partition, int]) -> dict[Partition, int]:
        """The offsets to commit: before the first record that may still have to be repaired."""
        offsets = dict(positions)
        for found in self._behind.values():
            if found.partition in offsets:
                offsets[found.partition] = min(offsets[found.partition], found.offset)
        return offsets

    def keep(self, partitions: Collection[Partition]) -> None:
        """Forget what was read of other partitions: their new owner reads it again."""
        self._behind = {name: found for name, found in self._behind.items() if found.partition in partitions}


def _is_ahead(stored: Entry | None, entry: Entry) -> bool:
    return stored is not None and (stored.rank > entry.rank or (stored.rank == entry.rank and stored != entry))
