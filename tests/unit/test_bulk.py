"""Many texts in one call: in order, as if each were alone, a failing text without its neighbours, bounded reading."""

from dataclasses import replace

import pytest

from hangtag.settings import WorkerSettings
from hangtag.tagger import Tagger
from hangtag.tagger.bulk import NOTHING, BulkTagger
from hangtag.tagger.faults import FaultError
from hangtag.tagger.isolate import Failure
from hangtag.tagger.tagger import TextError
from hangtag.tags.schema import TagSchema
from hangtag.tags.thresholds import Band
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from tests.bundles import tiny_schema, write_tiny_bundle

WORDS = ("red", "blue", "dress", "shoe", "cat", "food", "game", "space")
LIMITS = WorkerSettings(token_budget=512, window=64)


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    write_tiny_bundle(folder)
    tagger = Tagger.load(folder, engine="cpu", threads=1)
    yield tagger
    tagger.engine.close()


def texts(count: int) -> list[ProductText]:
    """Different texts, short and long ones in turns."""
    return [
        ProductText.of(f"{WORDS[at % 8]} {WORDS[at // 8 % 8]}", f"{WORDS[at // 64 % 8]} number {at} " * (at % 7))
        for at in range(count)
    ]


class Failing:
    """The engine, which fails on batches that contain a text with one of these lengths in tokens."""

    def __init__(self, engine, lengths, error) -> None:
        self.cost = engine.cost
        self._engine, self._lengths, self._error = engine, lengths, error
        self.batches: list[int] = []

    def forward(self, batch):
        self.batches.append(self.cost.of_batch([len(tokens) for tokens in batch]))
        if any(len(tokens) in self._lengths for tokens in batch):
            raise self._error
        return self._engine.forward(batch)


def test_tags_are_in_order_and_those_of_each_text_alone(tagger):
    many = texts(600)

    together = list(BulkTagger(tagger, LIMITS)(enumerate(many)))

    assert [place for place, _ in together] == list(range(600))
    for place in range(0, 600, 37):
        assert together[place][1].tags == tagger([many[place]])[0]
    assert len({tagged.tags for _, tagged in together}) > 20


def test_batches_keep_the_budget_and_are_full(tagger):
    watched = replace(tagger, engine=Failing(tagger.engine, (), None))
    many = texts(600)

    list(BulkTagger(watched, LIMITS)(enumerate(many)))

    batches = watched.engine.batches
    assert max(batches) <= LIMITS.token_budget
    # All but a few at the beginning and the end use most of the budget.
    assert sum(cost > LIMITS.token_budget * 3 / 4 for cost in batches) > len(batches) * 0.8


def test_only_the_text_that_fails_has_no_tags(tagger):
    alone = len(tagger.encode([ProductText.of("cat " * 40)])[0])
    many = [*texts(100), ProductText.of("cat " * 40), *texts(100)]
    failing = replace(tagger, engine=Failing(tagger.engine, (alone,), ValueError("bad")))

    results = [found for _, found in BulkTagger(failing, LIMITS)(enumerate(many))]

    assert [at for at, found in enumerate(results) if isinstance(found, Failure)] == [100]
    with pytest.raises(TextError, match=r"texts\[100\] cannot be tagged: ValueError"):
        failing(many)


def test_a_device_that_fails_ends_the_work(tagger):
    failing = replace(tagger, engine=Failing(tagger.engine, range(1_000), OSError("device")))

    with pytest.raises(FaultError):
        list(BulkTagger(failing, LIMITS)(enumerate(texts(10))))


def test_no_more_is_read_than_the_window(tagger):
    read = 0

    def source():
        nonlocal read
        for text in texts(2_000):
            read += 1
            yield read, text

    most = 0
    for place, _ in BulkTagger(tagger, LIMITS)(source()):
        most = max(most, read - place)

    # Texts are read in chunks of 256.
    assert most <= LIMITS.window + 256


def test_an_empty_text_has_no_tags_and_a_string_is_a_text(tagger):
    first, second = tagger(["", ProductText.of("red dress")])

    assert first == NOTHING.tags
    assert second == tagger(["red dress"])[0]
    assert tagger([]) == []
    assert tagger(["red dress"], TextKind.QUERY)
    with pytest.raises(TypeError, match="pass a list"):
        tagger("red dress")


def test_candidates_are_the_most_likely_tags_with_their_bands(tagger):
    schema = tagger.bundle.schema
    (_, found), *_ = BulkTagger(tagger, candidates=2)([(0, ProductText.of("red dress"))])

    assert [scored.tag.split(":")[0] for scored in found.candidates] == [
        facet.name for facet in schema.facets for _ in range(2)
    ]
    served = {scored.tag: scored for scored in (*found.tags.tags, *found.tags.review)}
    assert served
    for first, second in zip(found.candidates[::2], found.candidates[1::2], strict=True):
        assert first.confidence >= second.confidence
    for scored in found.candidates:
        assert served.get(scored.tag, scored) == scored
        assert (scored.band is Band.REJECT) == (scored.tag not in served)


def test_a_blocked_tag_is_no_candidate(tagger):
    blocked = TagSchema.model_validate(tiny_schema(blocked=("color:red", "genre:rpg")).model_dump())
    changed = Tagger.of(replace(tagger.bundle, schema=blocked), tagger.engine)

    (_, found), *_ = BulkTagger(changed, candidates=9)([(0, ProductText.of("red dress"))])

    assert {scored.tag for scored in found.candidates} == {*blocked.tags} - {"color:red", "genre:rpg"}


def test_a_text_that_comes_again_in_a_batch_is_computed_once(tagger):
    watched = replace(tagger, engine=Failing(tagger.engine, (), None))
    many = [*texts(20), *texts(20)]

    found = [tagged for _, tagged in BulkTagger(watched, WorkerSettings())(enumerate(many))]

    alone = replace(tagger, engine=Failing(tagger.engine, (), None))
    assert (
        found[:20] == found[20:] == [tagged for _, tagged in BulkTagger(alone, WorkerSettings())(enumerate(texts(20)))]
    )
    assert sum(watched.engine.batches) == sum(alone.engine.batches)
