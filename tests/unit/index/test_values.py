"""Counts come from the values of the products, which follow the changes and belong to one moment."""

import pytest

from hangtag.index import Change, Index, Query, View, counts, values
from hangtag.index.rows import FrozenRows
from hangtag.store import Entry
from hangtag.tags.thresholds import Band
from tests.unit.index.making import FACETS, entry
from tests.unit.index.naive import Naive

ALL = Query()
RED_BOOTS = Query(all_of=("color:red", "class:boots"))
MEN = {"color:red": 0.9, "class:boots": 0.9, "audience:men": 0.9}
WOMEN = MEN | {"audience:women": 0.8}
KIDS = {"color:red": 0.9, "class:boots": 0.9, "audience:kids": 0.9}


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    """However many products of a small index are counted, their values are looked at."""
    monkeypatch.setattr(counts, "_DENSE", 1)


def filled(*found: Entry) -> Index:
    index = Index()
    index.take([Change.of(each) for each in found])
    index.build()
    return index


def audiences(view: View, query: Query = RED_BOOTS) -> dict[str, int]:
    return dict(view.counts(query, ALL, ["audience"])["audience"])


def test_counts_among_the_products_of_two_tags_follow_the_changes():
    index = filled(entry("p", 1, MEN), entry("q", 1, WOMEN))
    assert audiences(index.view()) == {"men": 2, "women": 1}

    index.take(
        [Change.of(entry("p", 2, MEN | {"audience:men": 0.9, "audience:kids": 0.9})), Change.of(entry("r", 1, WOMEN))]
    )
    assert audiences(index.view()) == {"men": 3, "women": 2, "kids": 1}

    index.take([Change.of(Entry.deletion("q", 2)), Change.of(entry("r", 2, MEN, {"audience:women": 0.5}))])
    assert audiences(index.view()) == {"men": 2, "kids": 1}
    assert audiences(index.view(), Query(RED_BOOTS.all_of, min_band=Band.REVIEW)) == {"men": 2, "kids": 1, "women": 1}


def test_what_changes_before_a_view_is_counted_is_not_in_its_counts():
    index = filled(*(entry(str(number), 1, MEN) for number in range(4)))
    view = index.view()

    index.take([Change.of(entry("2", 2, WOMEN)), Change.of(Entry.deletion("3", 2))])

    assert audiences(view) == {"men": 4}


@pytest.mark.parametrize("is_later", [False, True])
def test_what_changes_while_a_view_is_counted_is_not_in_its_counts(monkeypatch, is_later):
    index = filled(*(entry(str(number), 1, MEN) for number in range(4)))
    view, changed = index.view(), FrozenRows.changed
    later = [Change.of(entry("2", 2, WOMEN)), Change.of(entry("3", 2, KIDS))]

    def meanwhile(rows, numbers):
        found = changed(rows, numbers) if is_later else None
        index.take(later)
        return found if is_later else changed(rows, numbers)

    monkeypatch.setattr(FrozenRows, "changed", meanwhile)

    assert audiences(view) == {"men": 4}
    assert audiences(view) == {"men": 4}
    assert audiences(index.view()) == {"men": 3, "women": 1, "kids": 1}


@pytest.mark.parametrize("largest", [(1 << 16) - 1, 260])
def test_a_facet_may_have_more_values_than_a_byte_holds(monkeypatch, largest):
    monkeypatch.setattr(values, "_LARGEST", largest)
    index, naive = filled(entry("first", 1, MEN)), Naive()
    found = [entry(str(number), 1, MEN | {f"size:{number}": 0.9}) for number in range(300)]
    before = index.view()

    index.take([Change.of(each) for each in found])
    naive.take([entry("first", 1, MEN), *found])

    assert index.view().counts(RED_BOOTS, ALL, FACETS) == naive.counts(RED_BOOTS, ALL, FACETS)
    assert audiences(before) == {"men": 1}
    index.build()
    assert index.view().counts(RED_BOOTS, ALL, FACETS) == naive.counts(RED_BOOTS, ALL, FACETS)


def test_a_facet_of_which_most_products_have_several_values_is_counted_without_them(monkeypatch):
    monkeypatch.setattr(values, "_MOST_SEVERAL", 0)
    index = filled(entry("p", 1, MEN), entry("q", 1, MEN))
    assert "audience" in index.view().filled.values

    index.take([Change.of(entry("p", 2, WOMEN))])
    assert "audience" not in index.view().filled.values
    assert audiences(index.view()) == {"men": 2, "women": 1}

    index.take([Change.of(entry("p", 3, MEN))])
    assert "audience" in index.view().filled.values
