"""A re-tag: texts of a source, tagged by one release and written where the stored tags are of an earlier one."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace

from hangtag.records import KeptVector
from hangtag.settings import WorkerSettings
from hangtag.store import Entry, Outcome, RetagRun, RetagStore, TagStore, bundle_prefix
from hangtag.tagger.bulk import NOTHING, BulkTagger, Tagged
from hangtag.tagger.isolate import Failure
from hangtag.tagger.release import Release
from hangtag.tags.tagset import TagSet
from hangtag.tags.vector import Vector
from hangtag.telemetry.clock import Clock
from hangtag.text.product_text import ProductText
from hangtag.workers.retag.live import LivePace
from hangtag.workers.retag.selection import Selection
from hangtag.workers.retag.settling import settle
from hangtag.workers.retag.source import Chunk, ReleaseTags, SourceText, TextSource
from hangtag.write import Move, RecordSink, Update, Writes

# Products that are read, and written, in one round trip.
_AT_ONCE = 256
# A live batch on the same device waits for one of these at most.
_TOKENS = 4_096
_FAILURES_LISTED = 1_000
_OUTCOMES = {Outcome.WRITTEN: "written", Outcome.SAME: "same", Outcome.OLDER: "older", Outcome.GONE: "older"}


@dataclass(slots=True)
class Counts:
    """What became of the texts of a source.

    Attributes:
        written: their products have tags of the release now.
        same: they had them before.
        older: the store holds tags of a newer version or of a later release, or the product was deleted meanwhile.
        newer: the text is newer than the stored tags: a worker tags it.
        not_there: the store holds no tags of the product.
        not_selected: the product is not in the selection.
        failed: they cannot be tagged.
        unreadable: entries of the source that are no texts.
        computed: of all, those for which the model ran.
        from_vectors: of those written, the products whose tags were decided from kept vectors, without the model.
        no_vector: they would need the model, which is not to run.
        decided: of those written, the products that people had decided about; their decisions hold.
    """

    written: int = 0
    same: int = 0
    older: int = 0
    newer: int = 0
    not_there: int = 0
    not_selected: int = 0
    failed: int = 0
    unreadable: int = 0
    computed: int = 0
    from_vectors: int = 0
    no_vector: int = 0
    decided: int = 0


@dataclass(frozen=True, slots=True)
class _Todo:
    """A text whose tags are to be written, for this version of the product."""

    text: SourceText
    version: int
    is_decided: bool


@dataclass(slots=True)
class Retagging:
    """One run of a re-tag. One thread calls it.

    `store` is the one of `kept`, tried again for a while. `run` says which re-tag it is; `show` is called after each
    batch. With `no_encoder` the model never runs; with `keeps_vectors` what it computes is kept for the next re-tag.
    Of a release without a tagger, every text of the source comes with its tags.

    Attributes:
        counts: what became of the texts, in this process and in earlier ones of the same re-tag.
        failures: products whose text cannot be tagged, with the class of the error: the first 1,000.
    """

    source: TextSource
    release: Release | ReleaseTags
    kept: RetagStore
    store: TagStore
    sink: RecordSink
    run: RetagRun
    selection: Selection
    pace: LivePace
    clock: Clock
    limits: WorkerSettings
    show: Callable[[], None]
    no_encoder: bool = False
    keeps_vectors: bool = False
    counts: Counts = field(default_factory=Counts)
    failures: list[tuple[str, str]] = field(default_factory=list)
    _updates: list[Update | Move] = field(default_factory=list)
    _decided: set[str] = field(default_factory=set)
    _by_vector: set[str] = field(default_factory=set)
    _in_engine: int = 0

    def retag(self) -> None:
        """Tag what the source has. May be stopped by any exception; `note` what was done afterwards, or not.

        Raises:
            StoreError, SinkError: the store or the brokers do not take what is written.
            StoreMismatchError: another process goes on with this re-tag, or the store was emptied.
            FaultError: the engine fails for any text.
        """
        self.counts = Counts(**self.run.counts)
        self.kept.take_over(self.run)
        settle(self.kept, self.store, self.sink)
        with closing(self._results()) as results:
            for item, found in results:
                if isinstance(item, Chunk):
                    self._finish(item)
                    continue
                self._in_engine -= 1
                if isinstance(found, Failure):
                    self._fail(item.text.product_id, found)
                    continue
                self._add(self._update(item, found.tags, found.vector), is_decided=item.is_decided)
        self.run = replace(self.run, is_done=True)
        self.kept.note(self.run)

    def _results(self) -> Generator[tuple[_Todo | Chunk, Tagged | Failure], None, None]:
        if isinstance(self.release, ReleaseTags):
            return ((item, NOTHING) for item, _ in self._items())
        limits = self.limits.model_copy(
            update={"token_budget": min(_TOKENS, self.limits.token_budget), "window": 2 * _AT_ONCE}
        )
        return BulkTagger(self.release.tagger, limits, keeps_vectors=self.keeps_vectors)(self._items())

    def _items(self) -> Iterator[tuple[_Todo | Chunk, ProductText]]:
        """The texts that need the engine, and behind those of a chunk the chunk, with an empty text."""
        for chunk in self.source.chunks():
            self.counts.unreadable += chunk.unreadable
            for start in range(0, len(chunk.texts), _AT_ONCE):
                some = chunk.texts[start : start + _AT_ONCE]
                if chunk.comes_again:
                    self._decide(some)
                    continue
                for todo in self._chosen(some):
                    if todo.text.tagged is not None:
                        self.pace.take(1)
                        move = Move(todo.text.tagged, todo.version, self.release.sequence, self.release.schema)
                        self._add(move, is_decided=todo.is_decided)
                        continue
                    if self.no_encoder:
                        self.counts.no_vector += 1
                        continue
                    self._in_engine += 1
                    self.counts.computed += 1
                    self.pace.take(1)
                    yield todo, todo.text.text
            if self._in_engine:
                yield chunk, ProductText("")
            else:
                self._finish(chunk)

    def _decide(self, texts: Sequence[SourceText]) -> None:
        """Decide by vectors what can be; all of these texts come again, and what became of the others is counted then.

        A vector is that of its text, whatever the version: one of another text is not used.
        """
        newest = _newest(texts)
        todo = [
            (text, text.vector, held)
            for text, held in zip(newest.values(), self.store.read(list(newest)), strict=True)
            if text.vector is not None and held is not None and self._is_to_decide(text, held)
        ]
        self.pace.take(len(todo))
        release = self.release
        if not todo or isinstance(release, ReleaseTags):
            return
        found = release.tagger.decide([(text.text, vector) for text, vector, _ in todo])
        for (text, _, held), tags in zip(todo, found, strict=True):
            self._by_vector.add(text.product_id)
            is_decided = bool(held.revision)
            self._add(self._update(_Todo(text, held.version, is_decided), tags), is_decided=is_decided)

    def _is_to_decide(self, text: SourceText, held: Entry) -> bool:
        is_same_text = not held.is_deletion and text.text_hash == held.text_hash
        is_before = held.sequence <= self.release.sequence and not self._has_its_tags(held)
        return is_same_text and is_before and self.selection.has(held)

    def _has_its_tags(self, held: Entry) -> bool:
        release = self.release
        return held.bundle_prefix == bundle_prefix(release.bundle_version) and release.gives_tags_of(held.sequence)

    def _chosen(self, texts: Sequence[SourceText]) -> list[_Todo]:
        newest = _newest(texts)
        self.counts.older += len(texts) - len(newest)
        stored = self.store.read(list(newest))
        found = (self._choose(text, held) for text, held in zip(newest.values(), stored, strict=True))
        return [todo for todo in found if todo is not None]

    def _choose(self, text: SourceText, held: Entry | None) -> _Todo | None:
        """What the engine has to do for a text; what needs no engine is done or counted here."""
        version, release = text.version, self.release
        if held is None or held.is_deletion:
            is_new = version is not None and (held is None or version > held.version)
            if self.kept.creates and is_new and self.selection == Selection():
                return _Todo(text, version or 0, is_decided=False)
            self.counts.not_there += 1
            return None
        is_same_text = text.text_hash == held.text_hash
        if not is_same_text and version != held.version:
            if version is None or version < held.version:
                self.counts.older += 1
            elif self.kept.creates and self.selection.has(held):
                return _Todo(text, version, is_decided=bool(held.revision))
            else:
                self.counts.newer += 1
            return None
        if not self.selection.has(held):
            self.counts.not_selected += 1
        elif held.sequence > release.sequence:
            self.counts.older += 1
        elif is_same_text and self._has_its_tags(held):
            if held.sequence == release.sequence:
                self.counts.same += 1
            else:
                move = Move(held, held.version, release.sequence, release.schema)
                self._add(move, is_decided=bool(held.revision))
        else:
            return _Todo(text, held.version, is_decided=bool(held.revision))
        return None

    def _update(self, todo: _Todo, tags: TagSet, vector: Vector | None = None) -> Update:
        text = todo.text
        kept = None if vector is None else KeptVector(text.product_id, todo.version, text.text, text.text_hash, vector)
        return Update(
            product_id=text.product_id,
            version=todo.version,
            tags=tags,
            bundle_version=self.release.bundle_version,
            sequence=self.release.sequence,
            text_hash=text.text_hash,
            tagged_at_ms=self.clock.wall_ms(),
            schema=self.release.schema,
            vector=kept,
        )

    def _add(self, update: Update | Move, *, is_decided: bool) -> None:
        self._updates.append(update)
        if is_decided:
            self._decided.add(_product_of(update))
        if len(self._updates) >= _AT_ONCE:
            self._write()
            self.show()

    def _write(self) -> None:
        updates, self._updates = self._updates, []
        if not updates:
            return
        self.kept.begin_batch()
        self.kept.note_writing([_product_of(update) for update in updates])
        writes = Writes(updates)
        writes.run(self.store, self.sink)
        for update, outcome in zip(updates, writes.outcomes, strict=True):
            name = _OUTCOMES[outcome]
            setattr(self.counts, name, getattr(self.counts, name) + 1)
            if outcome is Outcome.WRITTEN:
                self.counts.decided += _product_of(update) in self._decided
                if _product_of(update) in self._by_vector:
                    self.counts.from_vectors += 1
                    # It comes again, and is found to have the tags then.
                    self.counts.same -= 1
        self._decided.clear()
        self._by_vector.clear()

    def _finish(self, chunk: Chunk) -> None:
        """Everything before the end of a chunk is dealt with."""
        self._write()
        self.run = replace(self.run, positions=dict(chunk.positions), counts=asdict(self.counts))
        self.kept.note(self.run)
        self.source.commit(chunk.positions)
        self.show()

    def _fail(self, product_id: str, failure: Failure) -> None:
        self.counts.failed += 1
        if len(self.failures) < _FAILURES_LISTED:
            self.failures.append((product_id, type(failure.error).__name__))


def _newest(texts: Sequence[SourceText]) -> dict[str, SourceText]:
    newest: dict[str, SourceText] = {}
    for text in texts:
        before = newest.get(text.product_id)
        if before is None or before.version is None or text.version is None or text.version >= before.version:
            newest[text.product_id] = text
    return newest


def _product_of(update: Update | Move) -> str:
    return update.product_id if isinstance(update, Update) else update.stored.product_id
