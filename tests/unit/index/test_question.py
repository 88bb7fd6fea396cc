"""The question that divides the products that are left best."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from hangtag.index.question import End, Facet, best_question, expected_candidates

VALUES = st.sets(st.sampled_from("abcdef"))


def having(products: list[set[str]]) -> dict[str, BitMap]:
    values = sorted(set().union(*products))
    return {value: BitMap(at for at, has in enumerate(products) if value in has) for value in values}


def facet_of_products(name: str, products: list[set[str]]) -> Facet:
    bitmaps = having(products)
    counts = sorted(((value, len(bitmap)) for value, bitmap in bitmaps.items()), key=lambda each: (-each[1], each[0]))
    return Facet(name, counts, bitmaps.__getitem__, bitmaps.__getitem__)


def expected_by_person(products: list[set[str]], offered: list[str]) -> float:
    """Asks everyone who looks for each of the products, one after the other."""
    left = []
    for wanted in products:
        named = [value for value in offered if value in wanted]
        sizes = [sum(value in each for each in products) for value in named]
        others = sum(not each & set(offered) for each in products)
        left.append(sum(sizes) / len(sizes) if named else others)
    return sum(left) / len(left)


@given(
    products=st.lists(VALUES, min_size=1, max_size=30),
    offered=st.lists(st.sampled_from("abcdef"), unique=True, min_size=1, max_size=5),
)
def test_the_expectation_is_that_of_asking_everyone(products, offered):
    bitmaps = having([*products, set("abcdef")])

    named = [bitmaps[value] for value in offered]
    found = expected_candidates(BitMap(range(len(products))), named, named)

    assert found == pytest.approx(expected_by_person(products, offered))


def test_who_refuses_the_values_also_refuses_products_that_may_have_them():
    """Of ten, five have the value; of the others two may have it."""
    assert expected_candidates(BitMap(range(10)), [BitMap(range(5))], [BitMap(range(7))]) == (5 * 5 + 5 * 3) / 10


@given(products=st.lists(VALUES, min_size=1, max_size=40))
def test_no_other_pair_of_a_single_facet_leaves_fewer(products):
    single = [set(sorted(each)[:1]) for each in products]
    facet = facet_of_products("f", single)

    question = best_question(BitMap(range(len(single))), [facet], max_choices=2)

    if question.facet:
        best = min(expected_by_person(single, list(pair)) for pair in combinations(dict(facet.counts), 2))
        assert question.expected == pytest.approx(best)


def test_the_facet_that_divides_best_is_asked():
    halves = [{"a"} if at < 90 else {"b"} for at in range(100)]
    fifths = [{"abcde"[at % 5]} for at in range(100)]
    facets = [facet_of_products("halves", halves), facet_of_products("fifths", fifths)]

    question = best_question(BitMap(range(100)), facets)

    assert (question.facet, question.expected, question.end) == ("fifths", 20, None)
    assert question.choices == tuple((value, 20) for value in "abcde")


def test_of_equally_good_questions_the_facet_that_comes_first_is_asked():
    facets = [facet_of_products(name, [{"ab"[at % 2]} for at in range(100)]) for name in ("later", "first")]

    assert best_question(BitMap(range(100)), facets).facet == "later"
    assert best_question(BitMap(range(100)), facets[::-1]).facet == "first"


def test_of_about_equally_good_questions_the_one_with_fewer_choices_is_asked():
    """Twenty values with one product each do not help beside two with 490 each."""
    products = [{"ab"[at % 2]} if at < 980 else {f"rare{at}"} for at in range(1_000)]

    question = best_question(BitMap(range(1_000)), [facet_of_products("f", products)])

    assert [value for value, _ in question.choices] == ["a", "b"]


def test_what_all_candidates_have_is_not_offered():
    products = [{"all", "abc"[at % 3]} for at in range(90)]

    question = best_question(BitMap(range(90)), [facet_of_products("f", products)])

    assert question.choices == (("a", 30), ("b", 30), ("c", 30))


@pytest.mark.parametrize(
    ("candidates", "end"), [(0, End.NO_PRODUCTS), (7, End.FEW_PRODUCTS), (100, End.NOTHING_DIVIDES)]
)
def test_without_a_question_it_says_why(candidates, end):
    alike = (
        facet_of_products("f", [{"a"}] * candidates) if candidates else Facet("f", [], {}.__getitem__, {}.__getitem__)
    )

    question = best_question(BitMap(range(candidates)), [alike])

    assert (question.facet, question.end, question.expected) == ("", end, candidates)


def test_something_else_is_not_an_answer_where_one_more_value_covers_it():
    """Of three equal values, two and "something else" would leave as many."""
    question = best_question(BitMap(range(90)), [facet_of_products("f", [{"abc"[at % 3]} for at in range(90)])])

    assert (len(question.choices), question.others) == (3, 0)


def test_a_question_that_spares_less_than_it_costs_is_not_asked():
    """Ninety-five of a hundred have the same value: on average 90 are left."""
    same = [{"a"} if at < 97 else {"b"} if at < 98 else {"c"} for at in range(100)]

    assert best_question(BitMap(range(100)), [facet_of_products("f", same)]).end is End.NOTHING_DIVIDES
