"""Habits of other shops, and texts that mean no product."""

import random

import pytest

from hangtag.trainer.data.foreign_phrases import LANGUAGES, everyday_phrase, foreign_goods
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.no_product import no_products
from hangtag.trainer.data.off_topic import off_topic
from hangtag.trainer.data.shop_noise import BOILERPLATE, noisy, with_boilerplate

CHAIR = LabelledProduct(
    "p", "Oak Dining Chair with Leather Seat", "A chair.", "Chairs", frozenset({"class"}), frozenset({"class:seating"})
)


def copies(product: LabelledProduct, count: int = 400) -> list[LabelledProduct]:
    rng = random.Random(0)
    return [noisy(product, rng) for _ in range(count)]


def test_noise_changes_texts_and_keeps_labels():
    found = copies(CHAIR)

    assert all((copy.facets, copy.tags, copy.product_id) == (CHAIR.facets, CHAIR.tags, "p") for copy in found)
    assert len({(copy.title, copy.description) for copy in found}) > 300
    assert all(copy.merchant_category == CHAIR.merchant_category for copy in found)


def test_every_habit_occurs():
    titles = [copy.title for copy in copies(CHAIR)]

    signs = {
        "capitals": lambda title: "OAK DINING" in title,
        "code": lambda title: "SKU" in title,
        "dimensions": lambda title: any(f"{unit}" in title for unit in (" x ", "cm")),
        "count": lambda title: "pack" in title.casefold(),
        "condition": lambda title: "refurbished" in title.casefold(),
        "call": lambda title: "🔥" in title,
        "html": lambda title: "<br" in title or "&" in title,
        "keywords": lambda title: title.casefold().count("oak") > 1,
        "cut": lambda title: title.endswith("…"),
    }
    assert [name for name, is_there in signs.items() if not any(map(is_there, titles))] == []


def test_a_title_alone_is_never_cut():
    alone = LabelledProduct("p", CHAIR.title, "", "", CHAIR.facets, CHAIR.tags)

    for copy in copies(alone):
        title = copy.title.casefold()
        assert all(word.casefold() in title for word in CHAIR.title.split())


@pytest.mark.parametrize("sentences", [0, 1, 8, 100])
def test_boilerplate_is_added_around_the_description(sentences):
    product = with_boilerplate(CHAIR, random.Random(1), sentences)

    assert CHAIR.description in product.description
    assert sum(sentence in product.description for sentence in BOILERPLATE) == min(sentences, len(BOILERPLATE))


def test_texts_that_mean_no_product_differ():
    rng = random.Random(2)

    assert len({off_topic(rng) for _ in range(400)}) > 200
    assert len({everyday_phrase(rng) for _ in range(400)}) > 80


def test_goods_are_named_only_in_languages_that_are_not_spoken():
    rng = random.Random(3)
    without_german = {foreign_goods({"en", "de"}, rng) for _ in range(600)}
    german = {foreign_goods(LANGUAGES - {"de"}, rng) for _ in range(100)}

    assert not without_german & german
    assert foreign_goods(LANGUAGES, rng) is None


def test_foreign_goods_are_no_products_only_where_the_spoken_languages_are_given():
    goods = {foreign_goods({"en"}, random.Random(seed)) for seed in range(3_000)}

    def titles(spoken: set[str] | None) -> set[str]:
        return {product.title for product in no_products(600, ["class"], random.Random(0), spoken)}

    assert titles({"en"}) & goods
    assert not titles(None) & goods
