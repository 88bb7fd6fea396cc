"""A batch of updates on its way into the store and to `products.tagged`, until both agree on the newest."""

from collections.abc import Sequence
from typing import Self

from hangtag.store import Entry, Outcome, TagStore
from hangtag.write.move import Move
from hangtag.write.offer import offer
from hangtag.write.sink import RecordSink
from hangtag.write.update import Update


class _Write:
    """One product's way: the entry that is offered to the store, what is to be produced, what was sent last.

    `outcome` is the store's first answer, `answer` its last. A record that was sent may have arrived, whatever error
    came back. `text` and `vector` are still to be produced, unless the store holds something newer.
    """

    __slots__ = ("answer", "entry", "is_offered", "outcome", "produce", "sent", "text", "update", "vector")

    def __init__(self, update: Update | Move | None, entry: Entry, *, is_offered: bool) -> None:
        self.update = update
        self.entry = entry
        self.is_offered = is_offered
        self.produce = None if is_offered else entry
        self.outcome: Outcome | None = None
        self.answer: Outcome | None = None
        self.sent: Entry | None = None
        self.text = None if update is None else update.kept
        self.vector = update.vector if isinstance(update, Update) else None


class Writes:
    """Updates that are written together. After an error `run` may be called again and continues where it stopped.

    The order of all writers is `Entry.rank`; of entries of one rank with other bytes, the store's counts. A record may
    arrive behind a newer one of another writer, and the store may lose data meanwhile. So once its records are
    acknowledged a writer reads the store again: where the store is ahead, it produces what the store holds; where the
    store is behind or empty, it stores what it sent again; until both agree. The last record is then the newest.
    """

    def __init__(self, updates: Sequence[Update | Move]) -> None:
        self._writes = [_Write(update, update.entry(), is_offered=True) for update in updates]
        self._open = list(self._writes)

    @classmethod
    def of_stored(cls, entries: Sequence[Entry]) -> Self:
        """Entries that the store holds and that are only to be produced."""
        writes = cls(())
        writes._open = writes._writes = [_Write(None, entry, is_offered=False) for entry in entries]
        return writes

    @property
    def outcomes(self) -> list[Outcome]:
        """What became of each update, in order. Call it after `run` has returned."""
        return [write.outcome or Outcome.SAME for write in self._writes]

    def run(self, store: TagStore, sink: RecordSink) -> None:
        """Write to the store and the topic, and return once the brokers have acknowledged and the store agrees.

        Raises:
            StoreError: the store did not take or return everything; call again.
            SinkError: the brokers did not acknowledge everything; call again.
        """
        for write in self._open:
            # An earlier try may have ended anywhere, and another writer may have stored something newer since.
            write.is_offered = write.is_offered or write.update is not None
        while self._open:
            self._offer(store)
            sink.retract_tags()
            for write in self._open:
                if write.text is not None and write.answer is not Outcome.OLDER:
                    sink.text(write.text)
                if write.vector is not None and write.answer is not Outcome.OLDER:
                    sink.vector(write.vector)
                if write.produce is not None:
                    sink.tagged(write.produce)
                    write.sent = write.produce
            sink.flush()
            for write in self._open:
                write.text = None
                write.vector = None
            self._open = self._disagreeing(store)

    def _offer(self, store: TagStore) -> None:
        """Offer entries to the store, with people's decisions applied, and choose what to produce."""
        offered = [write for write in self._open if write.is_offered]
        answers = offer(store, [(write.entry, write.update) for write in offered])
        for write, answer in zip(offered, answers, strict=True):
            write.answer, write.entry = answer
            write.outcome = write.outcome or answer.outcome
            write.produce = write.entry if answer.outcome is Outcome.WRITTEN else None
            write.is_offered = False
        # The store's own entry is produced in place of one that it holds already, and where an older one may have
        # arrived on the topic.
        kept = [
            write
            for write in offered
            if write.answer is Outcome.SAME or (write.answer is Outcome.OLDER and write.sent is not None)
        ]
        for write, held in zip(kept, store.read([write.entry.product_id for write in kept]), strict=True):
            if held is None or held.rank < write.entry.rank:
                write.is_offered = True  # the store has lost it since it answered
            else:
                write.produce = held

    def _disagreeing(self, store: TagStore) -> list[_Write]:
        """Compare what was sent with the store and return what needs another round."""
        again = [write for write in self._open if write.is_offered]
        sent = [write for write in self._open if write.sent is not None and not write.is_offered]
        for write, held in zip(sent, store.read([write.entry.product_id for write in sent]), strict=True):
            assert write.sent is not None
            write.produce = None
            if held == write.sent:
                continue
            if held is None or held.rank < write.sent.rank:
                if write.sent is not write.entry:
                    write.update, write.entry = None, write.sent
                write.is_offered = True
            else:
                write.produce = held
            again.append(write)
        return again
