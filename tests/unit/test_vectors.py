"""Vectors of products: what is kept of a text, and which bundle may decide by it."""

from dataclasses import replace

import numpy as np
import pytest

from hangtag.bundle import Bundle, load_bundle
from hangtag.engine import open_engine
from hangtag.records import KeptVector, Partition, Record, decode_vector, encode_vector
from hangtag.tagger.tagger import Tagger
from hangtag.tagger.vectors import VectorsError
from hangtag.tags.schema import FacetKind, Rule, TagSchema
from hangtag.tags.tagset import TagSet
from hangtag.tags.thresholds import TagThresholds, Thresholds
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.wide import Wide
from hangtag.write import VectorRecordError, kept_vector_of, vector_record_of
from tests.bundles import tiny_schema, write_tiny_bundle
from tests.unit.worker_parts import House, event

TEXTS = [
    ProductText.of(f"{color} {thing} {number}", "the space game of a cat" if number % 2 else "")
    for color in ("red", "blue", "navy")
    for thing in ("dress", "shoe", "food")
    for number in range(5)
]
TAGS = len(tiny_schema().tags)


def wide_of(tagger_bundle: Bundle) -> Wide:
    """A wide part with weights for n-grams that the texts have."""
    from hangtag.text.ngram_batch import keyed_hashes

    hashes = np.unique(keyed_hashes(TEXTS).astype(np.uint32))
    rng = np.random.default_rng(3)
    count = len(hashes)
    return Wide(
        hashes,
        np.full(count, 2, np.float16),
        np.full(count, 1, np.uint16),
        np.full(count, 0.02, np.float16),
        rng.integers(0, TAGS, count).astype(np.uint8),
        rng.integers(1, 100, count).astype(np.int8),
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    write_tiny_bundle(folder, 3, thresholds=TagThresholds(auto=0.3, review=0.15))
    found = load_bundle(folder)
    wide = wide_of(found)
    return replace(found, weights=replace(found.weights, wide=wide), tokenizer=found.tokenizer.with_wide(wide))


def opened(bundle: Bundle) -> Tagger:
    return Tagger.of(bundle, open_engine(bundle, "cpu", 1))


@pytest.fixture(scope="module")
def tagger(bundle: Bundle) -> Tagger:
    return opened(bundle)


@pytest.fixture(scope="module")
def vectors(tagger: Tagger) -> list:
    found = tagger.vectors.keep(tagger.forward(tagger.encode(TEXTS), with_means=True))
    assert None not in found
    return found


def tags_of(found: list[TagSet]) -> list[tuple[set[str], set[str], str]]:
    return [
        ({scored.tag for scored in each.tags}, {scored.tag for scored in each.review}, each.language) for each in found
    ]


def by_engine(tagger: Tagger) -> list[TagSet]:
    return tagger.decode(tagger.forward(tagger.encode(TEXTS)), [TextKind.PRODUCT] * len(TEXTS))


def by_vector(tagger: Tagger, vectors: list) -> list[TagSet]:
    return tagger.decide(list(zip(TEXTS, vectors, strict=True)))


def test_means_are_those_of_the_vectors_and_change_no_score(bundle):
    engine = open_engine(bundle, "cpu", 1, vectors=True)
    tokens = bundle.tokenizer(TEXTS[:7])

    logits, means = engine.forward_with_means(tokens)

    np.testing.assert_array_equal(logits, engine.forward(tokens))
    expected = [each.mean(axis=0) for each in engine.forward_with_vectors(tokens)[1]]
    np.testing.assert_allclose(means, expected, atol=1e-5)


def test_the_scores_of_a_vector_are_those_of_the_engine(tagger, vectors):
    logits = tagger.forward(tagger.encode(TEXTS)).logits

    np.testing.assert_allclose(tagger.vectors.logits(vectors), logits, atol=1 / 1_024 + 1e-6)


def thresholds_of(bundle: Bundle, **others) -> Bundle:
    return replace(bundle, thresholds=bundle.thresholds.map(lambda entry: entry.model_copy(update=others)))


def with_schema(bundle: Bundle, **others) -> Bundle:
    return replace(bundle, schema=TagSchema.model_validate({**bundle.schema.model_dump(), **others}))


DECISIONS = {
    "the same": lambda bundle: bundle,
    "thresholds": lambda bundle: thresholds_of(
        bundle, tags=dict.fromkeys(bundle.schema.tags, TagThresholds(auto=0.5, review=0.05))
    ),
    "words of an attribute": lambda bundle: thresholds_of(
        bundle, words={"color:red": ("red",), "color:blue": ("blue",), "color:navy": ("navy",)}
    ),
    "temperatures": lambda bundle: replace(
        bundle,
        calibration=bundle.calibration.map(
            lambda entry: entry.model_copy(update={"temperatures": dict.fromkeys(entry.temperatures, 2.5)})
        ),
    ),
    "blocked tags": lambda bundle: with_schema(bundle, blocked=("segment:clothing",)),
    "rules": lambda bundle: with_schema(
        bundle, rules=[Rule(when="segment:clothing", kind="excludes", then="color:red").model_dump()]
    ),
    "parents": lambda bundle: with_schema(bundle, parents={**bundle.schema.parents, "class:shoes": ("segment:pets",)}),
}


@pytest.mark.parametrize("change", DECISIONS)
def test_a_bundle_that_only_decides_otherwise_decides_by_the_same_vectors(bundle, tagger, vectors, change):
    other = Tagger.of(DECISIONS[change](bundle), tagger.engine)

    found = by_vector(other, vectors)

    assert tags_of(found) == tags_of(by_engine(other))
    assert (tags_of(found) == tags_of(by_vector(tagger, vectors))) is (change == "the same")


def learned(bundle: Bundle, tag: str) -> Bundle:
    """The bundle with one more tag, as `hangtag learn-tag` makes it."""
    facets = [
        facet.model_copy(update={"values": (*facet.values, tag.partition(":")[2])})
        if facet.name == tag.partition(":")[0]
        else facet
        for facet in bundle.schema.facets
    ]
    schema = TagSchema.model_validate({**bundle.schema.model_dump(), "facets": [each.model_dump() for each in facets]})
    at, weights = schema.index[tag], bundle.weights
    wide = weights.wide.with_tag_at(at)
    row = np.random.default_rng(len(schema.tags)).normal(0, 0.7, weights.head_weight.shape[1]).astype(np.float32)
    metrics = {"learnt_tags": {**bundle.manifest.metrics.get("learnt_tags", {}), tag: {}}}
    return replace(
        bundle,
        schema=schema,
        manifest=bundle.manifest.model_copy(update={"metrics": metrics}),
        thresholds=bundle.thresholds.map(
            lambda entry: Thresholds(tags=dict.fromkeys(schema.tags, next(iter(entry.tags.values()))))
        ),
        weights=replace(
            weights,
            head_weight=np.insert(weights.head_weight, at, row, axis=0),
            head_bias=np.insert(weights.head_bias, at, np.float32(0.5)),
            wide=wide,
        ),
        tokenizer=bundle.tokenizer.with_wide(wide),
    )


def test_tags_that_were_learned_since_follow_from_the_mean(bundle, vectors):
    more = learned(learned(bundle, "genre:puzzle"), "color:red-brown")
    assert more.schema.facets[3].kind is FacetKind.MULTI
    tagger = opened(more)
    logits = tagger.forward(tagger.encode(TEXTS)).logits
    new = [more.schema.index[tag] for tag in ("genre:puzzle", "color:red-brown")]

    found = tagger.vectors.logits(vectors)

    assert all(map(tagger.vectors.knows, vectors))
    np.testing.assert_allclose(found[:, new], logits[:, new], atol=0.1)
    others = np.delete(np.arange(len(more.schema.tags)), new)
    np.testing.assert_allclose(found[:, others], logits[:, others], atol=1 / 1_024 + 1e-6)


def with_weights(bundle: Bundle, **others) -> Bundle:
    return replace(bundle, weights=replace(bundle.weights, **others))


def with_other_layer(bundle: Bundle) -> Bundle:
    first, *rest = bundle.weights.layers
    query = replace(first.query, values=np.roll(first.query.values, 1))
    return with_weights(bundle, layers=(replace(first, query=query), *rest))


def with_manifest(bundle: Bundle, **others) -> Bundle:
    return replace(bundle, manifest=bundle.manifest.model_copy(update=others))


def with_other_tokenizer(bundle: Bundle) -> Bundle:
    section = bundle.manifest.sections["tokenizer"].model_copy(update={"sha256": "0" * 64})
    return with_manifest(bundle, sections={**bundle.manifest.sections, "tokenizer": section})


STRANGERS = {
    "a layer": with_other_layer,
    "the words' vectors": lambda bundle: with_weights(
        bundle, words=replace(bundle.weights.words, scale=bundle.weights.words.scale * 2)
    ),
    "the tokenizer": with_other_tokenizer,
    "the longest text": lambda bundle: with_manifest(
        bundle, encoder=bundle.manifest.encoder.model_copy(update={"max_tokens": 32})
    ),
    "a row of the head": lambda bundle: with_weights(bundle, head_weight=bundle.weights.head_weight * 2),
    "the head's bias": lambda bundle: with_weights(bundle, head_bias=bundle.weights.head_bias + 1),
    "the wide part": lambda bundle: with_weights(
        bundle, wide=replace(bundle.weights.wide, values=-bundle.weights.wide.values)
    ),
    "no wide part": lambda bundle: with_weights(bundle, wide=None),
    "the strength of the wide part": lambda bundle: replace(
        bundle, calibration=bundle.calibration.map(lambda entry: entry.model_copy(update={"wide_strength": 0.5}))
    ),
}


@pytest.mark.parametrize("change", STRANGERS)
def test_a_bundle_with_other_weights_uses_no_vector(bundle, tagger, vectors, change):
    stranger = Tagger.of(STRANGERS[change](bundle), tagger.engine)

    assert not any(map(stranger.vectors.knows, vectors))
    with pytest.raises(VectorsError):
        by_vector(stranger, vectors)


def test_a_vector_of_another_length_is_not_used(tagger, vectors):
    first = vectors[0]

    for damaged in (
        replace(first, scores=first.scores[:-2]),
        replace(first, values=first.values + b"0"),
        replace(first, scale=float("nan")),
        replace(first, scale=0.0),
    ):
        assert not tagger.vectors.knows(damaged)


def test_a_score_that_is_too_large_makes_no_vector(tagger):
    scores = tagger.forward(tagger.encode(TEXTS[:2]), with_means=True)
    scores.logits[1, 0] = 64.0

    first, second = tagger.vectors.keep(scores)

    assert first is not None
    assert second is None


def kept_of(vector, text: ProductText = TEXTS[0]) -> KeptVector:
    return KeptVector("p1", 7, text, b"h" * 16, vector)


def record(key: bytes | None, value: bytes | None) -> Record:
    return Record(Partition("products.vectors", 0), 0, 0, key, value, ())


def test_a_record_keeps_everything(vectors):
    vector = replace(vectors[0], named=("color:red",), language="de")
    made = vector_record_of(kept_of(vector))

    assert kept_vector_of(record(made.key, made.value)) == kept_of(vector)
    assert decode_vector(encode_vector(kept_of(vector))).vector == vector


def test_a_deletion_is_a_tombstone():
    made = vector_record_of(KeptVector.deletion("p1", 8))

    assert (made.key, made.value) == (b"p1", None)
    assert kept_vector_of(record(made.key, None)) is None
    with pytest.raises(ValueError, match="no vector"):
        encode_vector(KeptVector.deletion("p1", 8))


def test_what_hangtag_did_not_write_is_refused(vectors):
    value = encode_vector(kept_of(vectors[0]))
    no_text = encode_vector(kept_of(vectors[0], ProductText("")))

    for key, found in ((b"", value), (b"p2", value), (b"p1", b"\xff"), (b"p1", no_text), (b"\xff", value)):
        with pytest.raises(VectorRecordError):
            kept_vector_of(record(key, found))


def test_a_worker_keeps_the_vector_of_each_text(tagger):
    house = House(tagger, keeps_vectors=True)
    for product, version, title in (("a", 1, "red dress"), ("b", 1, "red dress"), ("a", 2, "blue shoe")):
        house.source.append(event(product, version, title))
        house.steps()

    found = house.sink.vectors

    assert [(each.product_id, each.version, each.text.first) for each in found] == [
        ("a", 1, "red dress"),
        ("b", 1, "red dress"),
        ("a", 2, "blue shoe"),
    ]
    assert found[-1].text_hash == house.store.entries["a"].text_hash
    assert tags_of(tagger.decide([(each.text, each.vector) for each in found])) == tags_of(
        tagger([each.text for each in found])
    )


def test_a_new_version_of_the_same_text_leaves_the_vector_as_it_is(tagger):
    house = House(tagger, keeps_vectors=True)
    for version in (1, 2):
        house.source.append(event("a", version, "red dress"))
        house.steps()

    assert [each.version for each in house.sink.vectors] == [1]
    assert house.versions() == {"a": 2}


def test_a_deletion_removes_the_vector(tagger):
    house = House(tagger, keeps_vectors=True)
    house.source.append(event("a", 1, "red dress"))
    house.source.append(event("a", 2, kind="DELETED"))
    house.steps()

    assert house.sink.vectors[-1] == KeptVector.deletion("a", 2)


def test_no_offset_is_committed_before_the_vector_is_acknowledged(tagger):
    house = House(tagger, keeps_vectors=True)
    house.sink.is_down = True
    house.source.append(event("a", 1, "red dress"))
    house.steps()

    assert (house.sink.vectors, house.committed()) == ([], 0)

    house.sink.is_down = False
    house.steps(300)

    assert [each.product_id for each in house.sink.vectors] == ["a"]
    assert house.committed() == 1


def test_without_the_setting_no_vector_is_computed(tagger):
    house = House(tagger)
    house.source.append(event("a", 1, "red dress"))
    house.source.append(event("b", 1, kind="DELETED"))
    house.steps()

    assert house.committed() == 2
    assert house.sink.vectors == []
