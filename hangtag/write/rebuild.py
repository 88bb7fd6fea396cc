"""Fills the store again from one partition of `products.tagged`, without a model."""

from collections.abc import Sequence

from hangtag.records import Record
from hangtag.store import Entry, Outcome, TagStore
from hangtag.write.offer import offer
from hangtag.write.sink import RecordSink
from hangtag.write.tagged_record import entries_of
from hangtag.write.writes import Writes

_PRODUCED_AT_ONCE = 1_000


class PartitionRebuild:
    """Takes the records of one partition in their order, from its beginning or from `next_offset` of an earlier one.

    The store keeps the newest, so nothing has to be remembered of what was read, but for the products of which the
    store holds something else than their last record: a newer record follows, or `finish` produces what it holds.

    Attributes:
        restored: entries that the store did not hold. A product that was tagged again counts more than once, unless its
            records were taken together.
        held: entries that the store held already, or of which it held something newer.
        unreadable: records that Hangtag did not write.
    """

    def __init__(self, store: TagStore, sink: RecordSink) -> None:
        self._store = store
        self._sink = sink
        # By the offset of the last record, ascending.
        self._behind: dict[str, int] = {}
        self.restored = self.held = self.unreadable = 0

    def take(self, records: Sequence[Record]) -> None:
        """Write the newest entry of each product to the store, if it is newer than what the store holds.

        Raises:
            StoreError: the store did not take everything; take the same records again.
        """
        newest: dict[str, Entry] = {}
        last: dict[str, tuple[Entry, int]] = {}
        read = entries_of(records)
        for entry, record in read:
            product_id = entry.product_id
            last.pop(product_id, None)
            last[product_id] = entry, record.offset
            before = newest.get(product_id)
            if before is None or entry.rank >= before.rank:
                newest[product_id] = entry
        answers = dict(zip(newest, offer(self._store, [(entry, None) for entry in newest.values()]), strict=True))
        same = [product_id for product_id, answer in answers.items() if answer.outcome is Outcome.SAME]
        stored: dict[str, Entry | None] = dict(zip(same, self._store.read(same), strict=True))
        stored |= {product: answer.entry for product, answer in answers.items() if answer.outcome is Outcome.WRITTEN}
        for product_id, (entry, offset) in last.items():
            self._behind.pop(product_id, None)
            # Not in `stored`: the store holds something newer. None: it lost the entry since it answered.
            if stored.get(product_id, ...) not in (entry, None):
                self._behind[product_id] = offset
        restored = sum(answer.outcome is Outcome.WRITTEN for answer in answers.values())
        self.restored += restored
        self.held += len(answers) - restored
        self.unreadable += len(records) - len(read)

    def next_offset(self, position: int) -> int:
        """Where another rebuild would go on if this one ended now; `position` is the next offset to read.

        The records of products that `finish` may have to produce are read again then.
        """
        return next(iter(self._behind.values()), position)

    def finish(self) -> int:
        """Produce the store's entry of each product whose last record is another one; return how many.

        Raises:
            StoreError: the store did not answer.
            SinkError: the brokers did not acknowledge everything.
        """
        produced = 0
        products = list(self._behind)
        for start in range(0, len(products), _PRODUCED_AT_ONCE):
            held = self._store.read(products[start : start + _PRODUCED_AT_ONCE])
            stored = [entry for entry in held if entry is not None]
            Writes.of_stored(stored).run(self._store, self._sink)
            produced += len(stored)
        return produced
