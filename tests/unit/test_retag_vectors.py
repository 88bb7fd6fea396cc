"""A re-tag that decides by vectors: which products it decides, and which it leaves to the model."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from hangtag.bundle import Bundle, load_bundle
from hangtag.cli.retag.vectors_first import VectorsFirst, of_texts, of_vectors
from hangtag.engine import open_engine
from hangtag.records import decode_tags
from hangtag.settings import WorkerSettings
from hangtag.store import MemoryTagStore, RetagRun
from hangtag.tagger.release import Release
from hangtag.tagger.tagger import Tagger
from hangtag.tags.tagset import TagSet
from hangtag.tags.thresholds import TagThresholds
from hangtag.telemetry.clock import SystemClock
from hangtag.text.product_text import ProductText
from hangtag.text.text_hash import text_hash
from hangtag.workers.retag import Chunk, LivePace, Retagging, Selection, SourceText
from hangtag.write import Update, Writes
from tests.bundles import write_tiny_bundle
from tests.unit.worker_parts import MemorySink

TITLES = ("red dress", "blue shoe", "cat food", "space game")


class Store(MemoryTagStore):
    """A store in memory that takes a re-tag's notes."""

    creates = False

    def take_over(self, run: RetagRun) -> None:
        self.noted = run

    note = take_over

    def begin_batch(self) -> None:
        pass

    def note_writing(self, product_ids: Sequence[str]) -> None:
        pass

    def writing(self) -> list[str]:
        return []


@dataclass
class Listed:
    """A `TextSource` in memory."""

    texts: list[SourceText]
    commits: list[Mapping[int, int]] = field(default_factory=list)

    @property
    def total(self) -> int:
        return len(self.texts)

    done = total

    def chunks(self) -> Iterator[Chunk]:
        yield Chunk(self.texts, 0, {0: len(self.texts)})

    def commit(self, positions: Mapping[int, int]) -> None:
        self.commits.append(dict(positions))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    write_tiny_bundle(folder, 2, thresholds=TagThresholds(auto=0.3, review=0.15))
    return load_bundle(folder)


@pytest.fixture(scope="module")
def tagger(bundle: Bundle) -> Tagger:
    return Tagger.of(bundle, open_engine(bundle, "cpu", 1))


@pytest.fixture(scope="module")
def decided(bundle: Bundle, tagger: Tagger) -> Tagger:
    """A bundle with other thresholds, whose version is another one."""
    manifest = bundle.manifest.model_copy(update={"version": "d" * 64})
    tags = dict.fromkeys(bundle.schema.tags, TagThresholds(auto=0.6, review=0.05))
    thresholds = bundle.thresholds.map(lambda entry: entry.model_copy(update={"tags": tags}))
    return Tagger.of(replace(bundle, manifest=manifest, thresholds=thresholds), tagger.engine)


def source_text(product_id: str, title: str, version: int = 1, vector=None) -> SourceText:
    text = ProductText.of(title)
    return SourceText(product_id, version, text, text_hash(text, ""), vector=vector)


def vectors_of(tagger: Tagger, texts: Sequence[SourceText]) -> list[SourceText]:
    scores = tagger.forward(tagger.encode([each.text for each in texts]), with_means=True)
    return [replace(text, vector=vector) for text, vector in zip(texts, tagger.vectors.keep(scores), strict=True)]


class Catalogue:
    """Products whose tags a bundle gave, and their vectors."""

    def __init__(self, tagger: Tagger, count: int = 8):
        self.texts = [source_text(f"p{number}", TITLES[number % 4]) for number in range(count)]
        self.vectors = Listed(vectors_of(tagger, self.texts))
        self.listed = Listed(self.texts)
        self.store, self.sink = Store(), MemorySink()
        self.store_tags(tagger, self.texts, tagger([each.text for each in self.texts]))

    def store_tags(
        self, tagger: Tagger, texts: Sequence[SourceText], tags: Sequence[TagSet], sequence: int = 0
    ) -> None:
        schema, version = tagger.bundle.schema, tagger.bundle.version
        updates = [
            Update(text.product_id, text.version or 0, found, version, sequence, text.text_hash, 1, schema)
            for text, found in zip(texts, tags, strict=True)
        ]
        Writes(updates).run(self.store, self.sink)

    def retag(self, tagger: Tagger, **options) -> Retagging:
        work = Retagging(
            VectorsFirst(self.vectors, self.listed, {}),
            Release(tagger, 1),
            self.store,
            self.store,
            self.sink,
            RetagRun("0" * 16, {}, tagger.bundle.version, 1, 1),
            options.pop("selection", Selection()),
            LivePace(None, 0, lambda _: None),
            SystemClock(),
            WorkerSettings(),
            lambda: None,
            **options,
        )
        work.retag()
        return work

    def tags(self) -> dict[str, TagSet]:
        return {name: decode_tags(entry.payload).tags for name, entry in self.store.entries.items()}


def names(found: TagSet) -> tuple[set[str], set[str]]:
    return {scored.tag for scored in found.tags}, {scored.tag for scored in found.review}


class NoEngine:
    """The engine of a tagger whose model must not run."""

    def __init__(self, engine):
        self.name, self.cost = engine.name, engine.cost

    def forward(self, *_):
        pytest.fail("the model ran")

    forward_with_means = forward_with_vectors = forward


def test_products_with_vectors_get_the_tags_of_the_full_path_without_the_model(tagger, decided):
    catalogue = Catalogue(tagger)
    before = catalogue.tags()

    work = catalogue.retag(replace(decided, engine=NoEngine(decided.engine)))

    counts = work.counts
    assert (counts.written, counts.from_vectors, counts.computed, counts.same, counts.no_vector) == (8, 8, 0, 0, 0)
    expected = decided([each.text for each in catalogue.texts])
    after = catalogue.tags()
    assert [names(after[each.product_id]) for each in catalogue.texts] == [names(found) for found in expected]
    assert after != before
    assert work.run.is_done
    assert work.run.positions == {-1: 8, 0: 8}


def test_what_has_no_vector_is_computed_and_its_vector_is_kept_for_the_next_time(tagger, decided):
    catalogue = Catalogue(tagger)
    del catalogue.vectors.texts[3:]

    counts = catalogue.retag(decided, keeps_vectors=True).counts

    assert (counts.written, counts.from_vectors, counts.computed, counts.same) == (8, 3, 5, 0)
    assert sorted(each.product_id for each in catalogue.sink.vectors) == ["p3", "p4", "p5", "p6", "p7"]
    assert all(decided.vectors.knows(each.vector) for each in catalogue.sink.vectors)


def test_without_the_encoder_what_has_no_vector_is_counted_apart_and_keeps_its_tags(tagger, decided):
    catalogue = Catalogue(tagger)
    del catalogue.vectors.texts[3:]
    before = catalogue.tags()

    counts = catalogue.retag(replace(decided, engine=NoEngine(decided.engine)), no_encoder=True).counts

    assert (counts.written, counts.from_vectors, counts.no_vector, counts.computed, counts.same) == (3, 3, 5, 0, 0)
    after = catalogue.tags()
    assert [after[f"p{number}"] == before[f"p{number}"] for number in range(8)] == [False] * 3 + [True] * 5


def test_a_vector_of_another_text_is_not_used(tagger, decided):
    """The product has changed since; what has the same version, but another text, has too."""
    catalogue = Catalogue(tagger)
    changed = [source_text("p0", "navy shoe", version=2), source_text("p1", "navy shoe", version=1)]
    catalogue.store.entries.clear()
    catalogue.texts[:2] = changed
    catalogue.store_tags(tagger, catalogue.texts, tagger([each.text for each in catalogue.texts]))

    counts = catalogue.retag(decided).counts

    assert (counts.from_vectors, counts.computed) == (6, 2)
    expected = decided([each.text for each in catalogue.texts])
    after = catalogue.tags()
    assert [names(after[each.product_id]) for each in catalogue.texts] == [names(found) for found in expected]


def test_a_vector_holds_for_a_new_version_of_the_same_text(tagger, decided):
    catalogue = Catalogue(tagger)
    catalogue.texts[:] = [replace(each, version=5) for each in catalogue.texts]
    catalogue.store_tags(tagger, catalogue.texts, tagger([each.text for each in catalogue.texts]))

    counts = catalogue.retag(decided).counts

    assert (counts.written, counts.from_vectors, counts.computed) == (8, 8, 0)
    assert {entry.version for entry in catalogue.store.entries.values()} == {5}


def test_what_is_deleted_of_a_later_release_or_not_selected_keeps_what_it_has(tagger, decided):
    catalogue = Catalogue(tagger)
    later = source_text("p0", TITLES[0])
    catalogue.store_tags(tagger, [later], tagger([later.text]), sequence=9)
    before = dict(catalogue.store.entries)
    having = Counter(tag for found in catalogue.tags().values() for tag in set().union(*names(found)))
    selection = Selection(tags=(next(tag for tag, count in sorted(having.items()) if count < 8),))

    Writes([Update("p1", 1, None)]).run(catalogue.store, catalogue.sink)
    before["p1"] = catalogue.store.entries["p1"]

    counts = catalogue.retag(decided, selection=selection).counts

    changed = {name for name, entry in catalogue.store.entries.items() if entry != before[name]}
    selected = {name for name, entry in before.items() if name not in {"p0", "p1"} and selection.has(entry)}
    assert changed == selected
    assert 0 < len(selected) < 6
    assert (counts.from_vectors, counts.older, counts.not_there) == (len(selected), 1, 1)
    assert counts.same == 0


def test_what_has_the_tags_already_is_not_decided_again(tagger, decided):
    catalogue = Catalogue(tagger)
    catalogue.retag(decided)
    written = len(catalogue.sink.tags)

    counts = catalogue.retag(decided).counts

    assert (counts.written, counts.from_vectors, counts.same) == (0, 0, 8)
    assert len(catalogue.sink.tags) == written


def test_positions_say_of_which_topic_they_are():
    assert of_vectors({-1: 5, -3: 7, 0: 1}) == {0: 5, 2: 7}
    assert of_texts({-1: 5, -3: 7, 0: 1, 4: 2}) == {0: 1, 4: 2}


def test_offsets_are_committed_for_each_topic(tagger):
    catalogue = Catalogue(tagger)

    catalogue.retag(tagger)

    assert catalogue.vectors.commits[0] == {0: 8}
    assert (catalogue.listed.commits[0], catalogue.listed.commits[-1]) == ({}, {0: 8})
