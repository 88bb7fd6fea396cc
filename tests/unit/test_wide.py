"""The wide part: n-grams, file, engines, fit."""

import itertools
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.bundle import BundleError, load_bundle
from hangtag.bundle.weight_file import weights_from_bytes, weights_to_bytes
from hangtag.engine import EngineError, open_engine
from hangtag.text.ngram_batch import keyed_hashes
from hangtag.text.ngrams import MAX_CHARS, ngram_hashes
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens
from hangtag.text.wide import Wide, gaps_of
from tests.bundles import tiny_encoder, tiny_schema, tiny_tokenizer, tiny_weights, write_tiny_bundle

TEXTS = [
    ProductText("red dress | clothing", "a long red dress for cold evenings"),
    ProductText("blue jeans"),
    ProductText("space game", "a game in space"),
    ProductText("Œuvre Ünïcode 連衣裙 🙂", "💃 dress"),
    ProductText("a"),
    ProductText("", ""),
]


CHARACTERS = st.text(alphabet="ab é連🙂-1", max_size=25)


def expected_ngrams(text: ProductText) -> list[Counter[str]]:
    """The n-grams themselves, in the four blocks that the docstring of `ngram_hashes` defines."""

    def characters(part: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for size in range(2, 6):
            for start in range(len(part) - size + 1):
                window = part[start : start + size]
                if " " not in window[1:-1]:
                    found[window] += 1
        return found

    def words(part: str) -> Counter[str]:
        each = re.findall(r"\w{2,}", part)
        return Counter(each) + Counter(itertools.pairwise(each))

    first, complete = f" {text.first.lower()} ", f" {text.first.lower()} {text.second.lower()} "
    return [characters(complete), words(complete), characters(first), words(first)]


@given(CHARACTERS, CHARACTERS)
def test_hashes_are_the_ngrams(first, second):
    """Exactly equal n-grams have equal hashes: hashes and n-grams occur the same numbers of times."""
    text = ProductText.of(first, second)

    found = [sorted(Counter(hashes.tolist()).values()) for hashes in ngram_hashes(text)]

    assert found == [sorted(block.values()) for block in expected_ngrams(text)]


@given(st.lists(st.builds(ProductText.of, CHARACTERS, CHARACTERS), max_size=5))
def test_the_ngrams_of_a_batch_are_those_of_each_text(texts):
    expected = [
        number << 32 | hashed
        for place, text in enumerate(texts)
        for number, hashes in enumerate(ngram_hashes(text), 4 * place)
        for hashed in hashes.tolist()
    ]

    assert sorted(keyed_hashes(texts).tolist()) == sorted(expected)


def test_texts_that_are_long_together_have_their_own_ngrams():
    text = ProductText("cup " * 100, "tea " * (MAX_CHARS // 8))
    alone = keyed_hashes([text])

    together = keyed_hashes([text] * 5)

    for place in range(5):
        found = together[together >> np.uint64(34) == place]
        np.testing.assert_array_equal(np.sort(found - np.uint64(place << 34)), np.sort(alone))


def test_hashes_stay_what_they_were():
    """They are part of the bundle format: with another function every stored weight would be wrong."""
    blocks = [hashes.tolist() for hashes in ngram_hashes(ProductText("red cup"))]

    assert [blocks[0][0], blocks[1][0], blocks[2][0], blocks[3][-1]] == [3399380939, 2696432741, 483160666, 2288606388]


def wide_for(texts, tags: int, seed: int = 0, most: int = 3) -> Wide:
    rng = np.random.default_rng(seed)
    hashes = np.unique(np.concatenate([hashes for text in texts for hashes in ngram_hashes(text)]))[::2].copy()
    counts = rng.integers(0, min(most + 1, tags), len(hashes))
    positions = np.concatenate([np.sort(rng.choice(tags, count, replace=False)) for count in counts])
    values = rng.integers(-127, 128, len(positions)).astype(np.int8)
    gaps, values, stored = gaps_of(positions, values, counts)
    return Wide(
        hashes,
        rng.uniform(1, 5, len(hashes)).astype(np.float16),
        stored,
        rng.uniform(0.01, 0.1, len(hashes)).astype(np.float16),
        gaps,
        values,
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wide") / "bundle"
    wide = wide_for(TEXTS, len(tiny_schema().tags))
    write_tiny_bundle(folder, wide=wide)
    return load_bundle(folder)


@pytest.mark.parametrize("kind", ["cpu", "torch"])
def test_engines_add_the_scores_of_the_ngrams(bundle, kind):
    if kind == "torch":
        pytest.importorskip("torch", reason="torch is not installed")
    narrow = replace(bundle, weights=replace(bundle.weights, wide=None))
    tokens = bundle.tokenizer([text for text in TEXTS if not text.is_empty])
    with_wide, without = (open_engine(each, kind) for each in (bundle, narrow))
    try:
        added = with_wide.forward(tokens) - without.forward(tokens)
        alone = np.concatenate([with_wide.forward([each]) for each in tokens])
        together = with_wide.forward(tokens)
    finally:
        with_wide.close()
        without.close()
    schema, weights = bundle.schema, bundle.weights.wide
    dense = np.zeros((len(weights.hashes), len(schema.tags)), np.float64)
    rows = np.repeat(np.arange(len(weights.hashes)), weights.counts)
    dense[rows, weights.tags] = weights.values * weights.scale.astype(np.float64)[rows]
    expected = np.stack([each.features.values @ dense[each.features.rows] for each in tokens])

    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(added, expected, atol=1e-4)
    np.testing.assert_allclose(alone, together, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_scores_of_a_batch_are_those_of_each_text(seed):
    """For n-grams with few weights and with many, which are added up in different ways, and to the bit."""
    texts, tags = [text for text in TEXTS for _ in range(8)], 700
    few, many = wide_for(TEXTS, tags, seed), wide_for(TEXTS, tags, seed, most=300)
    for wide in (few, many):
        features = wide.features(texts)
        dense = np.zeros((len(wide.hashes), tags))
        np.add.at(dense, (np.repeat(np.arange(len(wide.counts)), wide.counts), wide.tags), wide.values)
        dense *= wide.scale.astype(np.float64)[:, None]

        scores = wide.scores(features, tags)

        np.testing.assert_allclose(scores, [each.values @ dense[each.rows] for each in features], atol=1e-5)
        np.testing.assert_array_equal(scores, np.concatenate([wide.scores([each], tags) for each in features]))
        for alone, each in zip((wide.features([text])[0] for text in texts), features, strict=True):
            np.testing.assert_array_equal(alone.rows, each.rows)
            np.testing.assert_array_equal(alone.values, each.values)


def test_tokens_of_another_tokenizer_are_refused(bundle):
    engine = open_engine(bundle, "cpu")
    tokens = [Tokens(each.ids, each.segments) for each in bundle.tokenizer(TEXTS[:2])]
    try:
        with pytest.raises(EngineError, match="text 0 of the batch has no n-grams"):
            engine.forward(tokens)
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gaps": np.full(10_000, 255, np.uint8)}, "beyond"),
        ({"hashes": lambda array: array[::-1].copy()}, "out of order"),
        ({"values": lambda array: array[:-1]}, "wide.values"),
        ({"idf": lambda array: np.full_like(array, np.nan)}, "not finite"),
    ],
)
def test_damaged_wide_part_is_refused(change, reason):
    schema = tiny_schema()
    wide = wide_for(TEXTS, len(schema.tags))
    ((name, value),) = change.items()
    old = getattr(wide, name)
    new = value(old) if callable(value) else value[: len(old)]
    weights = replace(tiny_weights(tiny_encoder(), len(schema.tags)), wide=replace(wide, **{name: new}))

    with pytest.raises(BundleError, match=reason):
        weights_from_bytes(weights_to_bytes(weights), tiny_encoder(), len(schema.tags))


@given(st.lists(st.sets(st.integers(0, 2_000), max_size=6), min_size=1, max_size=5))
def test_gaps_give_the_tags_back(rows):
    """Whatever the distances between tags, the entries that are not bridges have their positions and values."""
    tags = np.array([tag for row in rows for tag in sorted(row)], np.int64)
    values = (np.arange(len(tags)) % 127 + 1).astype(np.int8)

    gaps, stored, counts = gaps_of(tags, values, np.array([len(row) for row in rows]))
    none = np.zeros(len(rows), np.float16)
    wide = Wide(np.arange(len(rows), dtype=np.uint32), none, counts, none, gaps, stored)

    assert wide.tags[stored != 0].tolist() == tags.tolist()
    assert stored[stored != 0].tolist() == values.tolist()
    assert counts.sum() == len(gaps)


def test_fit_learns_the_words_of_tags():
    """Rare words that name a tag outweigh words that all products share; a text without known n-grams has no scores."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")
    pytest.importorskip("torch", reason="torch is not installed (extra train)")
    from hangtag.trainer.data.examples import examples_of
    from hangtag.trainer.data.labelled import LabelledProduct
    from hangtag.trainer.recipe.wide import WideSettings
    from hangtag.trainer.wide.fit import fit_wide

    schema, rng = tiny_schema(), np.random.default_rng(0)
    words = {"segment:pets": ("kibble", "leash"), "segment:games": ("console", "arcade")}
    products = []
    for number in range(80):
        tag = sorted(words)[number % 2]
        title = f"best offer {rng.choice(words[tag])} new"
        products.append(LabelledProduct(str(number), title, "", "", frozenset({"segment"}), frozenset({tag})))
    settings = WideSettings(max_share=0.9, max_word_share=0.9)
    labels = examples_of(products, schema, tiny_tokenizer())
    texts = [product.text for product in products]

    wide = fit_wide(texts, labels, schema, settings)
    unseen = [ProductText("an arcade box"), ProductText("dog leash"), ProductText("ΩΨ")]
    scores = wide.scores(wide.features(unseen), len(schema.tags))
    pets, games = schema.index["segment:pets"], schema.index["segment:games"]

    assert scores[0, games] > scores[0, pets] + 1
    assert scores[1, pets] > scores[1, games] + 1
    assert not scores[2].any()
    assert not scores[:, schema.slices["color"]].any()

    pruned = fit_wide(
        [product.text for product in products], labels, schema, settings.model_copy(update={"entries": 40})
    )

    assert len(pruned.values) <= 44
    assert pruned.scores(pruned.features(unseen[:1]), len(schema.tags))[0, games] > 0


def fitted(titles: list[str], tags: list[tuple[str, ...]], **settings):
    """A wide part fitted on texts that are labelled for color and genre."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")
    pytest.importorskip("torch", reason="torch is not installed (extra train)")
    from hangtag.trainer.data.examples import examples_of
    from hangtag.trainer.data.labelled import LabelledProduct
    from hangtag.trainer.recipe.wide import WideSettings
    from hangtag.trainer.wide.fit import fit_wide

    products = [
        LabelledProduct(str(number), title, "", "", frozenset({"color", "genre"}), frozenset(its))
        for number, (title, its) in enumerate(zip(titles, tags, strict=True))
    ]
    labels = examples_of(products, tiny_schema(), tiny_tokenizer())
    return fit_wide([product.text for product in products], labels, tiny_schema(), WideSettings(**settings))


def test_a_wide_part_without_ngrams_finds_none_in_a_text():
    none = np.zeros(0, np.float16)
    wide = Wide(np.zeros(0, np.uint32), none, none.astype(np.uint16), none, none.astype(np.uint8), none.astype(np.int8))

    features = wide.features(TEXTS)

    assert all(len(each.rows) == len(each.values) == 0 for each in features)
    assert not wide.scores(features, 3).any()


def test_there_is_no_wide_part_if_all_ngrams_are_too_common():
    assert fitted(["red shirt", "blue shirt"] * 10, [("color:red",), ("color:blue",)] * 10) is None


def test_exactly_the_requested_number_of_equally_frequent_ngrams_is_kept():
    rng = np.random.default_rng(0)
    titles = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 8)) for _ in range(100)] * 2
    tags = [("color:red",), ("color:blue",)] * 100

    wide, again = (fitted(titles, tags, max_ngrams=500) for _ in range(2))

    assert len(wide.hashes) == 500
    assert (np.diff(wide.hashes.astype(np.int64)) > 0).all()
    assert (wide.hashes == again.hashes).all()


def test_a_facet_without_a_positive_example_gets_no_weights():
    titles = [f"w{at % 13} x{at % 11} q{at % 7}" for at in range(40)]
    tags = [("genre:rpg",) if at % 13 < 5 else () for at in range(40)]

    wide = fitted(titles, tags, max_share=1, max_word_share=1)
    scores = wide.scores(wide.features([ProductText("w1 x1 q3")]), len(tiny_schema().tags))

    assert scores[0, tiny_schema().index["genre:rpg"]] > 0
    assert not scores[:, tiny_schema().slices["color"]].any()
