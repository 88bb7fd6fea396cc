"""Counts among the products of two tags are kept, follow the changes, and belong to one moment."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hangtag.index import Change, Index, Query, View, counts, view
from tests.unit.index.making import FACETS, TAGS, entries, entry
from tests.unit.index.naive import Naive

ALL = Query()
PAIRS = [Query(all_of=pair) for pair in combinations(TAGS, 2)]
MEN = {"color:red": 0.9, "class:boots": 0.9, "audience:men": 0.9}
RED_BOOTS = Query(all_of=("color:red", "class:boots"))


@pytest.fixture(scope="module", autouse=True)
def _always():
    """Every tag and pair that any product has is common."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(view, "PREPARED", 0)
        patch.setattr(view, "PREPARED_PAIRS", 0)
        yield


def prepared(index: Index) -> View:
    """The view of an index that has counted all that it keeps."""
    while index.view().prepare():
        pass
    return index.view()


def index_of(*found) -> Index:
    index = Index()
    index.build()
    index.take([Change.of(each) for each in found])
    return index


def audiences(view: View) -> dict[str, int]:
    return dict(view.counts(RED_BOOTS, ALL, ["audience", "size"])["audience"])


@given(
    st.lists(st.lists(entries(), max_size=8), min_size=1, max_size=4),
    st.sets(st.sampled_from(TAGS), max_size=1),
    st.integers(0, 3),
)
@settings(max_examples=20)
def test_counts_of_pairs_follow_the_changes(batches, blocked, blocked_after):
    index, naive = index_of(), Naive()
    for at, batch in enumerate(batches):
        if at == blocked_after:
            index.block(blocked)
            naive.blocked = frozenset(blocked)
        index.take([Change.of(each) for each in batch])
        naive.take(batch)
        prepared(index)

    found = index.view()
    for query in PAIRS:
        assert found.counts(query, ALL, FACETS) == naive.counts(query, ALL, FACETS)
    one, other = Query(all_of=TAGS[:1]), Query(all_of=TAGS[2:3])
    assert found.counts(one, other, FACETS) == naive.counts(one, other, FACETS)


def test_pairs_are_counted_before_anybody_asks_and_by_whoever_asks_first():
    index = index_of(*(entry(str(number), 1, MEN) for number in range(3)))
    pair = tuple(sorted(index.tags.find(tag) for tag in RED_BOOTS.all_of))

    assert index.view().filled.known.get(pair) is None
    assert audiences(index.view()) == {"men": 3}
    assert index.view().filled.known.get(pair) is not None

    other = index_of(entry("p", 1, MEN))
    assert prepared(other).filled.known.get(pair) is not None
    other.take([Change.of(entry("q", 1, MEN | {"audience:kids": 0.9}))])
    assert other.view().filled.known.get(pair) is not None
    assert audiences(other.view()) == {"men": 2, "kids": 1}


def test_kept_counts_follow_what_comes_and_goes_and_what_is_blocked():
    index = index_of(entry("p", 1, MEN), entry("q", 1, MEN))
    prepared(index)

    index.take([Change.of(entry("p", 2, MEN | {"audience:women": 0.9})), Change.of(entry("r", 1, MEN))])
    assert audiences(index.view()) == {"men": 3, "women": 1}
    index.take([Change.of(entry("p", 3, {"color:red": 0.9, "class:boots": 0.9, "audience:women": 0.9}))])
    assert audiences(index.view()) == {"men": 2, "women": 1}
    index.take([Change.of(entry("q", 2, {"color:red": 0.9, "audience:men": 0.9}))])
    assert audiences(index.view()) == {"men": 1, "women": 1}

    index.block({"audience:men"})
    assert audiences(index.view()) == {"women": 1}
    index.block({"audience:men", "color:red"})
    assert audiences(index.view()) == {}


def test_a_view_keeps_its_counts_of_pairs():
    index = index_of(entry("p", 1, MEN), entry("q", 1, MEN))
    before = prepared(index)

    index.take([Change.of(entry("p", 2, {"color:red": 0.9})), Change.of(entry("r", 1, MEN))])
    index.take([Change.of(entry("s", 1, MEN | {"audience:kids": 0.9}))])

    assert audiences(before) == {"men": 2}
    assert audiences(index.view()) == {"men": 3, "kids": 1}


def test_pairs_leave_room_for_single_tags(monkeypatch):
    index = index_of(*(entry(str(number), 1, MEN) for number in range(2)))
    tags = len(index.tags)
    # Room for all three tags, and for pairs in half of it.
    monkeypatch.setattr(counts, "_MOST_CELLS", 4 * tags)

    known = prepared(index).filled.known

    numbers = sorted(index.tags.find(tag) for tag in MEN)
    assert all(known.get((number,)) is not None for number in numbers)
    assert all(known.get(pair) is None for pair in combinations(numbers, 2))
    assert audiences(index.view()) == {"men": 2}


def test_counts_of_pairs_follow_a_product_with_more_tags_than_are_counted():
    many = MEN | {f"size:{number}": 0.9 for number in range(60)}
    index = index_of(entry("p", 1, MEN))
    prepared(index)

    index.take([Change.of(entry("p", 2, many)), Change.of(entry("q", 1, many))])

    assert audiences(index.view()) == {"men": 2}
    index.take([Change.of(entry("q", 2, {"color:red": 0.9}))])
    assert audiences(index.view()) == {"men": 1}
