"""Products that share tags with a product."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyroaring import BitMap

from hangtag.index import overlap
from hangtag.index.overlap import Similar, Tagged, similar_products, weight_of

PRODUCTS = st.lists(st.sets(st.sampled_from([f"f:{letter}" for letter in "abcdefgh"])), min_size=2, max_size=30)


def found(products: list[set[str]], number: int, count: int = 100) -> list[Similar]:
    having = {
        tag: BitMap((at for at, tags in enumerate(products) if tag in tags), copy_on_write=True)
        for tag in set().union(*products)
    }

    def totals(numbers: NDArray[np.uint32]) -> NDArray[np.float64]:
        return np.array([sum(weight_of(len(having[tag]), len(products)) for tag in products[at]) for at in numbers])

    others = BitMap(set(range(len(products))) - {number}, copy_on_write=True)
    tags = [Tagged(tag, having[tag]) for tag in sorted(products[number])]
    return similar_products(tags, len(products), others, totals, count)


def one_by_one(products: list[set[str]], number: int) -> list[tuple[int, float]]:
    """The definition: shared weight over that of all tags of both."""
    having = {tag: sum(tag in tags for tags in products) for tag in set().union(*products)}
    weights = {tag: math.log(len(products) / count) for tag, count in having.items()}
    scores = []
    for at, tags in enumerate(products):
        shared = sum(weights[tag] for tag in tags & products[number])
        if at != number and shared > 0:
            scores.append((at, shared / sum(weights[tag] for tag in tags | products[number])))
    return sorted(scores, key=lambda each: (-round(each[1], 9), each[0]))


@given(products=PRODUCTS, count=st.integers(1, 10))
def test_the_most_similar_are_those_of_the_definition(products, count):
    answer = [(each.number, each.score) for each in found(products, 0, count)]

    expected = one_by_one(products, 0)[:count]
    assert [score for _, score in answer] == pytest.approx([score for _, score in expected])
    scores = dict(one_by_one(products, 0))
    assert all(scores[number] == pytest.approx(score) for number, score in answer)


def test_a_rare_tag_counts_more_than_a_frequent_one():
    products = [{"f:rare", "f:often"}, {"f:rare"}, {"f:often"}, {"f:often"}, {"f:often"}, set()]

    assert [each.number for each in found(products, 0)] == [1, 2, 3, 4]


def test_a_product_without_tags_is_like_none():
    assert found([set(), {"f:a"}], 0) == []


def test_where_too_many_share_the_rarest_tag_those_that_share_more_are_compared(monkeypatch):
    monkeypatch.setattr(overlap, "MAX_CANDIDATES", 3)
    products = [{"f:a", "f:b"}, *[{"f:a"} for _ in range(10)], {"f:a", "f:b"}, *[{"f:b"} for _ in range(12)]]

    answer = found(products, 0)

    assert (answer[0].number, answer[0].score) == (11, 1)
    assert len(answer) == 3
