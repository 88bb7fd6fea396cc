"""A re-tag is undone: the tags that it replaced come back, without a model."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hangtag.records import unblocked
from hangtag.store import Entry, Former, Outcome, RetagRun, RetagStore, TagStore, bundle_prefix
from hangtag.tags.schema import TagSchema
from hangtag.workers.retag.live import LivePace
from hangtag.workers.retag.settling import settle
from hangtag.write import Move, RecordSink, Writes

_AT_ONCE = 256


@dataclass(slots=True)
class UndoCounts:
    """What became of the products with former tags.

    Attributes:
        restored: they have their former tags again.
        changed: their tags have changed since, and stay.
    """

    restored: int = 0
    changed: int = 0


@dataclass(slots=True)
class Undoing:
    """One run that undoes a re-tag. One thread calls it; one that was stopped is run again.

    `store` is the one of `kept`, tried again for a while. `sequence` is that of the release to which the former tags
    belong from now on; it is not smaller than that of the re-tag. Tags that have been blocked since `blocked_sequence`
    do not come back: they are the blocked ones of `schema`; None: none is blocked.
    """

    run: RetagRun
    sequence: int
    kept: RetagStore
    store: TagStore
    sink: RecordSink
    pace: LivePace
    show: Callable[[], None]
    schema: TagSchema | None = None
    blocked_sequence: int = 0
    counts: UndoCounts = field(default_factory=UndoCounts)

    def undo(self) -> None:
        """Put the former tags back where nothing has changed since, and forget the re-tag.

        Raises:
            StoreError, SinkError: the store or the brokers do not take what is written.
        """
        settle(self.kept, self.store, self.sink)
        for found in self.kept.formers():
            for start in range(0, len(found), _AT_ONCE):
                some = found[start : start + _AT_ONCE]
                self.pace.take(len(some))
                self._restore([former for former in some if former.run_id == self.run.run_id])
                self.show()
        self.kept.forget()

    def _restore(self, formers: list[Former]) -> None:
        ids = [former.entry.product_id for former in formers]
        stored = self.store.read(ids)
        moves = [
            Move(self._allowed(former.entry), former.entry.version, self.sequence, self.schema)
            for former, held in zip(formers, stored, strict=True)
            if held is not None and self._is_unchanged(former.entry, held)
        ]
        self.kept.begin_batch()
        writes = Writes(moves)
        writes.run(self.store, self.sink)
        restored = sum(outcome in (Outcome.WRITTEN, Outcome.SAME) for outcome in writes.outcomes)
        self.counts.restored += restored
        self.counts.changed += len(formers) - restored
        self.kept.drop_formers(ids)

    def _allowed(self, former: Entry) -> Entry:
        if self.schema is None or former.sequence >= self.blocked_sequence:
            return former
        return replace(former, payload=unblocked(former.payload, self.schema.blocked, self.schema))

    def _is_unchanged(self, former: Entry, held: Entry) -> bool:
        if held.is_deletion or held.version != former.version:
            return False
        is_retagged = (held.sequence, held.bundle_prefix) == (self.run.sequence, bundle_prefix(self.run.bundle_version))
        # An earlier process may have restored them, and have ended before the topic had them too.
        return is_retagged or (held.sequence, held.bundle_prefix) == (self.sequence, former.bundle_prefix)
