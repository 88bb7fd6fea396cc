"""What some products have in common that others do not have."""

import pytest

from hangtag.index.common import profile_of

# Of 100 products.
HAVING = {"class:boots": 5, "color:red": 20, "color:blue": 25, "segment:clothing": 100, "audience:women": 10}


def profile(products, without=(), count=20):
    return profile_of(products, HAVING.__getitem__, 100, without, count)


def test_tags_that_are_common_here_and_rare_elsewhere_come_first():
    found = profile([["class:boots", "color:red"], ["class:boots", "color:blue"], ["class:boots", "color:red"]])

    assert [each.tag for each in found] == ["class:boots", "color:red", "color:blue"]
    assert (found[0].share, found[0].lift) == (1, 20)
    assert [each.weight for each in found] == pytest.approx([0.95, 2 / 3 - 0.2, 1 / 3 - 0.25])


def test_tags_that_are_as_common_elsewhere_are_left_out():
    assert [each.tag for each in profile([["segment:clothing", "color:red"]])] == ["color:red"]


def test_a_product_that_was_looked_at_twice_counts_twice():
    found = profile([["color:red"], ["color:red"], ["color:blue"]])

    assert found[0].share == pytest.approx(2 / 3)


def test_sensitive_facets_and_tags_are_not_in_it():
    found = profile([["audience:women", "class:boots", "color:red"]], without={"audience", "class:boots"})

    assert [each.tag for each in found] == ["color:red"]


def test_there_are_no_more_tags_than_asked_for():
    assert [each.tag for each in profile([list(HAVING)], count=1)] == ["class:boots"]


def test_products_without_tags_have_no_profile():
    assert profile([[], []]) == []
    assert profile([]) == []
