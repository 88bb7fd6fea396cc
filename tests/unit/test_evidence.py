"""What in a text supports its tags: the parts of a logit add up to it, and the right words come first."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hangtag.bundle import load_bundle
from hangtag.engine import EngineError, Logits, Vectors
from hangtag.engine.cpu import CpuEngine
from hangtag.evidence import Heads, split_logits
from hangtag.tagger.tagger import Tagger
from hangtag.tags.keyed import ScoringPath
from hangtag.tags.thresholds import KeyedCalibration, KeyedThresholds
from hangtag.text.kind import TextKind
from hangtag.text.ngrams import numbered
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens
from hangtag.text.wide import Wide
from tests.bundles import write_tiny_bundle

TEXTS = [
    ProductText.of("red hoodie"),
    ProductText.of(
        "Red wool scarf", "A warm scarf. " * 90, "Accessories > Scarves"
    ),  # more tokens than the encoder reads
    ProductText.of("İSTANBUL tea set, 2 pack"),  # its lower case has more characters
    ProductText.of("連衣裙 red 🙂"),
    ProductText.of("don't-stop t-shirt (xl)!"),
    ProductText.of("", "only a description"),
]


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    bundle = load_bundle()
    return Tagger.of(bundle, CpuEngine(bundle, threads=1, vectors=True))


def total(tagger: Tagger, tokens: Tokens, vectors: Vectors, strength: float = 1) -> Logits:
    """The sum of what each word adds, and of what no word does."""
    bundle = tagger.bundle
    heads = Heads(bundle.schema, bundle.weights, compared=False)
    assert tokens.origins is not None
    all_tags = np.arange(len(bundle.schema.tags))
    split = split_logits(tokens.understood.text, tokens.origins, vectors, heads, all_tags, strength)
    assert len(split.added) == len(split.words) + 1
    return split.added.sum(axis=0) + bundle.weights.head_bias


def test_the_parts_of_a_text_add_up_to_its_logits(tagger: Tagger) -> None:
    tokens = tagger.encode_located(TEXTS, [TextKind.PRODUCT] * len(TEXTS))

    logits, vectors = tagger.engine.forward_with_vectors(tokens)
    logits = logits[:, : len(tagger.bundle.schema.tags)]  # without the scope's column

    for its_tokens, its_logits, its_vectors in zip(tokens, logits, vectors, strict=True):
        assert its_tokens.origins is not None
        assert len(its_tokens.origins.starts) == len(its_tokens) == len(its_vectors)
        assert total(tagger, its_tokens, its_vectors) == pytest.approx(its_logits, abs=1e-3)


def test_in_a_single_facet_what_counts_is_what_is_added_to_a_tag_more_than_to_others(tagger: Tagger) -> None:
    """For the words of some tags only, as for those of all."""
    bundle = tagger.bundle
    text = ProductText.of("Red wool scarf for women", "A warm scarf.", "Accessories > Scarves")
    (tokens,) = tagger.encode_located([text], [TextKind.PRODUCT])
    _, (vectors,) = tagger.engine.forward_with_vectors([tokens])
    assert tokens.origins is not None
    plain, compared = (Heads(bundle.schema, bundle.weights, compared=each) for each in (False, True))
    some = np.array([bundle.schema.index[tag] for tag in ("color:red", "genre:action", "audience:women", "color:blue")])

    everything = split_logits(text, tokens.origins, vectors, plain, np.arange(len(bundle.schema.tags))).added
    found = split_logits(text, tokens.origins, vectors, compared, some).added

    for column, tag in enumerate(("color:red", "genre:action", "audience:women", "color:blue")):
        expected = everything[:, bundle.schema.index[tag]]
        if not tag.startswith("genre:"):
            expected = expected - everything[:, bundle.schema.slices[tag.partition(":")[0]]].mean(axis=1)
        assert found[:, column] == pytest.approx(expected, abs=1e-5)


@cache
def wide_part() -> Wide:
    wide = load_bundle().weights.wide
    assert wide is not None
    return wide


@pytest.mark.parametrize("strength", [0, 0.5, 1])
def test_the_parts_add_up_with_the_wide_part_at_another_strength(tagger: Tagger, strength: float) -> None:
    """As for queries, of which the words of titles say less."""
    calibration = tagger.bundle.calibration.entry(TextKind.PRODUCT)
    of_queries = calibration.model_copy(update={"wide_strength": strength})
    entries = {TextKind.PRODUCT: {ScoringPath.FULL: calibration}, TextKind.QUERY: {ScoringPath.FULL: of_queries}}
    bundle = replace(
        tagger.bundle,
        calibration=KeyedCalibration(root=entries),
        thresholds=KeyedThresholds(root=dict.fromkeys(TextKind, tagger.bundle.thresholds.root[TextKind.PRODUCT])),
    )
    of_kinds = Tagger.of(bundle, tagger.engine)
    text = ProductText.of("red wool scarf")

    query, product = of_kinds.encode_located([text, text], [TextKind.QUERY, TextKind.PRODUCT])

    scores, (vectors, _) = of_kinds.engine.forward_with_vectors([query, product])
    logits, plain = scores[:, : len(of_kinds.bundle.schema.tags)]  # without the scope's column
    assert total(of_kinds, query, vectors, strength) == pytest.approx(logits, abs=1e-3)
    assert np.array_equal(logits, plain) == (strength == 1)


def summed(rows: Sequence[int], values: Sequence[float]) -> dict[int, float]:
    """The value of each row."""
    total: dict[int, float] = {}
    for row, value in zip(rows, values, strict=True):
        total[row] = total.get(row, 0.0) + value
    return total


@given(st.lists(st.tuples(*[st.text(alphabet="abcé連 -1", max_size=30)] * 2), max_size=4))
@example([("ab", ""), ("", ""), ("", "ab"), ("ab ab", "ab")])
def test_the_ngrams_with_places_are_the_features_of_the_texts(pairs: list[tuple[str, str]]) -> None:
    wide, texts = wide_part(), [ProductText.of(*pair) for pair in pairs]

    found = wide.located(texts)

    for text, (features, located), plain in zip(texts, found, wide.features(texts), strict=True):
        assert (features.rows.tolist(), features.values.tolist()) == (plain.rows.tolist(), plain.values.tolist())
        assert summed(located.rows.tolist(), located.values.tolist()) == pytest.approx(
            summed(plain.rows.tolist(), plain.values.tolist()), abs=1e-5
        )
        # An n-gram has the same hash wherever it is.
        line = numbered(text)
        places = zip(located.rows.tolist(), located.starts.tolist(), located.ends.tolist(), strict=True)
        known = {line[start:end]: row for row, start, end in places if end - start > 1}
        assert all(word in line for word in known)
        assert len(set(known.values())) == len(known)


@pytest.mark.parametrize(
    ("query", "tag", "first", "is_named"),
    [
        ("red hoodie", "color:red", "red", True),
        ("red hoodie", "class:upper body wear/tops", "hoodie", False),
        ("scarf for women in a box", "audience:women", "women", True),
        ("boots for my daughter", "audience:girls", "daughter", True),
        ("sneekers for my son", "class:general purpose footwear", "sneekers", False),
    ],
)
def test_the_words_that_support_a_tag(tagger: Tagger, query: str, tag: str, first: str, is_named: bool) -> None:
    (found,) = tagger.suggest([query])

    assert found.support[tag].words[0] == first
    assert found.support[tag].is_named is is_named


def test_support_does_not_depend_on_the_batch(tagger: Tagger) -> None:
    queries = [text.first or text.second for text in TEXTS]

    assert tagger.suggest(queries) == [found for query in queries for found in tagger.suggest([query])]


def test_what_a_case_fits_is_not_what_it_is(tagger: Tagger) -> None:
    """A class that only the fitted word supports or names is for a person to review."""
    watch, strap = tagger.suggest(["silver watch", "replacement watch strap"])

    assert strap.understood.fitted == {"watch"}
    assert "class:watches" in {scored.tag for scored in watch.tags.tags}
    assert "class:watches" not in {scored.tag for scored in strap.tags.tags}


@pytest.mark.parametrize("kind", ["cpu", "torch"])
def test_vectors_change_no_logit(tmp_path: Path, kind: str) -> None:
    """An engine gives the same logits with vectors as without, to the bit."""
    write_tiny_bundle(tmp_path / "tiny")
    bundle = load_bundle(tmp_path / "tiny")
    if kind == "cpu":
        plain, explaining = CpuEngine(bundle, threads=1), CpuEngine(bundle, threads=1, vectors=True)
    else:
        module = pytest.importorskip("hangtag.engine.torch")
        plain = explaining = module.TorchEngine(bundle, "cpu")
    tokens = bundle.tokenizer([ProductText.of("red dress"), ProductText.of("a game " * 20), ProductText.of("x")])

    logits, vectors = explaining.forward_with_vectors(tokens)

    assert np.array_equal(logits, plain.forward(tokens))
    for its_logits, its_vectors, its_tokens in zip(logits, vectors, tokens, strict=True):
        assert its_vectors.shape == (len(its_tokens), bundle.manifest.encoder.hidden)
        head = its_vectors.mean(axis=0) @ bundle.weights.head_weight.T + bundle.weights.head_bias
        assert head == pytest.approx(its_logits, abs=1e-4)


def test_an_engine_that_was_opened_without_vectors_says_so(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "tiny")
    bundle = load_bundle(tmp_path / "tiny")

    with pytest.raises(EngineError, match="vectors=True"):
        CpuEngine(bundle, threads=1).forward_with_vectors([Tokens(np.zeros(1, np.int32), np.zeros(1, np.int32))])
