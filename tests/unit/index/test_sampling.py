"""Orders that look at a part of the products say so, and find nearly all of the best ones."""

import numpy as np
import pytest

from benchmarks.find_catalogue import SIZES, catalogue
from hangtag.index import Query, View, ranking
from hangtag.index.ranking import Ranked
from hangtag.tags.thresholds import Band

PRODUCTS = 20_000
BEST = 20
# A part of the products as small as that is of a million.
SCORED = PRODUCTS * ranking.MOST_SCORED // 1_000_000


@pytest.fixture(scope="module")
def view() -> View:
    """The generated catalogue of the benchmark of searches."""
    index = catalogue(PRODUCTS)
    index.build()
    return index.view()


@pytest.fixture(scope="module")
def products(view) -> list[dict[str, int]]:
    """The confidences of each product's AUTO tags, in steps."""
    return [
        {each.tag: round(each.confidence * 1_000) for each in view.tags_of(number) if each.band is Band.AUTO}
        for number in range(PRODUCTS)
    ]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(ranking, "_FEW", 100)
    monkeypatch.setattr(ranking, "_SAMPLE", 100)
    monkeypatch.setattr(ranking, "MOST_SCORED", SCORED)


def weights(rng: np.random.Generator, tags: int) -> dict[str, int]:
    """As many common tags, each with a weight of its own."""
    names = [f"{facet}:v{n}" for facet, size in SIZES.items() for n in range(min(size, 12))]
    return {names[at]: int(rng.integers(1, 100)) * 10_000 for at in rng.choice(len(names), tags, replace=False)}


def one_by_one(products: list[dict[str, int]], by_tag: dict[str, int]) -> list[Ranked]:
    scores = (sum(steps * by_tag.get(tag, 0) for tag, steps in tags.items()) for tags in products)
    ranked = (Ranked(score, number) for number, score in enumerate(scores))
    return sorted(ranked, key=lambda each: each.key)[:BEST]


@pytest.mark.parametrize("tags", [4, 12, 40])
def test_the_best_are_exact_or_sampled_with_nearly_all_of_them(view, products, tags):
    by_tag = weights(np.random.default_rng(tags), tags)

    best = view.best(view.hits(Query()), by_tag, Band.AUTO, BEST)

    expected = one_by_one(products, by_tag)
    if best.is_sampled:
        assert len(set(best.products) & set(expected)) >= 0.95 * BEST
    else:
        assert best.products == expected
    assert best.is_sampled == (tags == 40)


def test_pages_of_a_sampled_order_go_on_in_it(view):
    by_tag, hits = weights(np.random.default_rng(1), 40), view.hits(Query())
    both = view.best(hits, by_tag, Band.AUTO, 2 * BEST).products

    first = view.best(hits, by_tag, Band.AUTO, BEST).products
    second = view.best(hits, by_tag, Band.AUTO, BEST, after=first[-1]).products

    assert first + second == both


def test_of_too_many_equal_products_the_first_are_looked_at(view, monkeypatch):
    """Levels are wide far below 1: with these weights all products of the tag may be among the best."""
    monkeypatch.setattr(ranking, "_STEPS", (ranking.levels.COUNT - 1,))
    monkeypatch.setattr(ranking, "MOST_SCORED", 500)
    hits = view.hits(Query(all_of=("segment:v0",)))

    best = view.best(hits, {"segment:v0": ranking.WEIGHT_STEPS}, Band.AUTO, BEST)

    assert best.is_sampled
    assert {each.number for each in best.products} <= set(list(hits)[:500])
