"""Training data: augmentation, made-up texts, the examples of an epoch."""

import random
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")

from hangtag.trainer.data.augment import augmented, mistyped
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.no_product import no_products
from hangtag.trainer.data.query_texts import QueryMaker
from hangtag.trainer.data.tag_words import QueryWords
from hangtag.trainer.data.training_set import TrainingSet
from hangtag.trainer.recipe.recipe import Augmentation, Recipe
from tests.bundles import tiny_schema, tiny_tokenizer

COLORS = ("red", "navy")
PRODUCT = LabelledProduct(
    "p", "red dress", "a long red dress for cold evenings", "Clothing", frozenset({"color"}), frozenset({"color:red"})
)


def test_without_settings_nothing_changes():
    assert augmented(PRODUCT, Augmentation(), random.Random(0)) == PRODUCT


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({"drop_category": 1.0}, {"merchant_category"}),
        ({"drop_description": 1.0}, {"description"}),
        ({"mistype_in": 1.0, "word_rate": 1.0}, {"title", "description"}),
        ({"drop_words_in": 1.0, "word_rate": 0.5}, {"title", "description"}),
    ],
)
def test_each_setting_changes_only_its_texts(settings, changed):
    copies = [augmented(PRODUCT, Augmentation(**settings), random.Random(seed)) for seed in range(20)]

    found = {
        name
        for copy in copies
        for name in ("title", "description", "merchant_category")
        if getattr(copy, name) != getattr(PRODUCT, name)
    }

    assert found == changed
    assert all((copy.facets, copy.tags) == (PRODUCT.facets, PRODUCT.tags) for copy in copies)


def test_a_product_never_becomes_empty():
    everything = Augmentation(drop_category=1.0, drop_description=1.0, drop_words_in=1.0, mistype_in=1.0, word_rate=1.0)
    bare = [
        LabelledProduct("p", *texts, frozenset(), frozenset())
        for texts in (("a", "", ""), ("", "b", ""), ("", "", "c"), ("a", "b", "c"))
    ]

    assert all(not augmented(product, everything, random.Random(1)).text.is_empty for product in bare)


def test_about_the_requested_share_of_words_is_mistyped():
    words = " ".join(["evening"] * 4_000)

    wrong = sum(word != "evening" for word in mistyped(words, 0.1, random.Random(0)).split(" "))

    assert 300 < wrong < 420  # swapping equal letters changes nothing


def test_made_up_texts_are_labelled_with_no_tag():
    found = no_products(200, ["segment", "genre"], random.Random(0))

    assert all(product.facets == {"segment", "genre"} and not product.tags for product in found)
    assert all(not product.text.is_empty for product in found)
    assert len({product.title for product in found}) > 120


def recipe(**changes) -> Recipe:
    sources = [{"train": ["a"], "fraction": 0.5}, {"train": ["b"]}]
    return Recipe.model_validate({"sources": sources, "no_products": 5, **changes})


def test_an_epoch_is_drawn_by_the_fractions_and_depends_only_on_its_seed():
    sources = [[PRODUCT] * 10, [PRODUCT] * 3]
    drawn = TrainingSet(sources, recipe(augmentation={"mistype_in": 1.0}), tiny_schema(), tiny_tokenizer())

    first, again, other = (drawn.draw(random.Random(seed)) for seed in (1, 1, 2))
    ids = [[example.tokens.ids.tolist() for example in epoch] for epoch in (first, again, other)]

    assert len(first) == drawn.size == 5 + 3 + 5
    assert ids[0] == ids[1] != ids[2]
    assert sum(bool(example.targets.any()) for example in first) == 8


def test_products_of_rare_tags_are_in_every_epoch():
    common, rare = (replace(PRODUCT, title=f"{name} dress", tags=frozenset({f"color:{name}"})) for name in COLORS)
    sources = [[common] * 20 + [rare] * 3, [rare] * 10]
    chosen = recipe(
        sources=[{"train": ["a"], "fraction": 0.1, "rare_up_to": 3}, {"train": ["b"], "fraction": 0.1}], no_products=0
    )
    drawn = TrainingSet(sources, chosen, tiny_schema(), tiny_tokenizer())

    for seed in range(5):
        epoch = drawn.draw(random.Random(seed))
        rows = np.stack([example.targets for example in epoch])
        counts = rows.sum(axis=0)[[drawn.schema.index[f"color:{name}"] for name in COLORS]]
        assert len(epoch) == drawn.size == 2 + 3 + 1
        assert counts.tolist() == [2, 3 + 1]


def test_an_epoch_has_the_wanted_number_of_queries_and_of_texts_that_are_off_topic():
    schema, sources = tiny_schema(), [[PRODUCT] * 10, [PRODUCT] * 3]
    chosen = recipe(queries={"per_epoch": 40, "off_topic": 7})
    maker = QueryMaker.of([PRODUCT], schema, QueryWords(nouns={"class:dresses": ("evening gown",)}))
    drawn = TrainingSet(sources, chosen, schema, tiny_tokenizer(), queries=maker)

    first, again, other = (drawn.draw(random.Random(seed)) for seed in (1, 1, 2))
    texts, examples = drawn.all_examples()

    assert len(first) == drawn.size == 5 + 3 + 5 + 40 + 7
    assert [each.tokens.ids.tolist() for each in first] == [each.tokens.ids.tolist() for each in again]
    assert [each.tokens.ids.tolist() for each in first] != [each.tokens.ids.tolist() for each in other]
    assert [each.on_topic for each in first] == [True] * 48 + [False] * 12
    assert not any(each.targets.any() for each in first[48:])
    assert sum(bool(each.targets.any()) for each in first[8:48]) > 20
    assert len(texts) == len(examples) == 13 + 5
