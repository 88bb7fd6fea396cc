"""The index answers as a dictionary of the newest entries would, whatever order changes come in."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hangtag.index import Change, Index, Query, View, counts, postings, ranking, values
from hangtag.index import index as index_module
from hangtag.index.content import content_in
from hangtag.index.ranking import Ranked
from hangtag.server.index.repair import NOTHING
from hangtag.store import Entry
from hangtag.tags.thresholds import Band
from tests.unit.index.making import FACETS, TAGS, entries, entry, queries
from tests.unit.index.naive import WEIGHT_STEPS, Naive

ALL = Query()
batches = st.lists(st.lists(entries(), max_size=8), max_size=5)
asked = st.tuples(queries(), queries(), queries())
weights = st.dictionaries(st.sampled_from(TAGS), st.sampled_from([0, 1, WEIGHT_STEPS, 100 * WEIGHT_STEPS]), max_size=4)


def changes(*found: Entry) -> list[Change]:
    return [Change.of(each) for each in found]


def filled(*found: Entry) -> Index:
    index = Index()
    index.take(changes(*found))
    index.build()
    return index


def ids(view: View, numbers) -> set[str]:
    return set(view.ids(numbers))


def answers(view: View, query: Query, base: Query) -> tuple:
    return ids(view, view.hits(query, base)), view.counts(query, base, FACETS)


@pytest.fixture(scope="module", params=[True, False], ids=["each product", "each tag"])
def few(request):
    """Make small indexes take the path of large ones, too."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param:
            # The first facet by its values, others by the rows of the products.
            patch.setattr(values, "MOST_FACETS", 1)
            patch.setattr(counts, "_DENSE", 1)
        else:
            patch.setattr(values, "MOST_FACETS", 0)
            patch.setattr(ranking, "_FEW", 0)
            patch.setattr(ranking, "_SAMPLE", 3)
            # Several blocks of products, and orders by two tags and more by the table.
            patch.setattr(ranking, "_AT_ONCE", 3)
            patch.setattr(ranking, "_SOME", 4)
            patch.setattr(ranking, "_FEW_TAGS", 1)
            patch.setattr(counts, "FEW", 0)
            for module in (postings, index_module):
                patch.setattr(module, "LEVELLED", 2)
        yield


@given(batches, st.integers(0, 5), asked, st.sets(st.sampled_from(TAGS), max_size=1))
@settings(max_examples=20)
@pytest.mark.usefixtures("few")
def test_it_answers_as_a_dictionary_would(batches, build_after, asked, blocked):
    index, naive = Index(), Naive()
    index.block(blocked)
    naive.blocked = frozenset(blocked)
    for at, batch in enumerate(batches):
        if at == build_after:
            index.build()
        index.take(changes(*batch))
        naive.take(batch)
        if at >= build_after:  # what is counted now is kept, and has to follow the changes
            index.view().counts(Query(all_of=(TAGS[at % len(TAGS)],)), ALL, FACETS)
    if len(batches) <= build_after:
        index.build()

    view = index.view()
    assert ids(view, view.products) == set(naive.products())
    for base, query in pairwise(asked):
        assert answers(view, query, base) == (naive.hits(query, base), naive.counts(query, base, FACETS))
        assert view.counts(query, ALL, FACETS) == naive.counts(query, ALL, FACETS)
    for tag in TAGS:
        alone = Query(all_of=(tag,))
        assert view.counts(alone, ALL, FACETS) == naive.counts(alone, ALL, FACETS)
    for product_id in naive.products():
        number = view.number_of(product_id)
        assert {tag.tag for tag in view.tags_of(number)} == naive.tags(product_id).keys()
        assert view.version_of(number) == naive.entries[product_id].version


@given(st.lists(entries(), max_size=25), queries(), weights, st.integers(1, 9))
@settings(max_examples=30)
@pytest.mark.usefixtures("few")
def test_pages_are_exact_and_complete(found, query, weights, size):
    naive = Naive()
    naive.take(found)
    view = filled(*found).view()
    hits = view.hits(query)

    pages, after = [], None
    while True:
        best = view.best(hits, weights, query.min_band, size, after)
        assert not best.is_sampled
        pages += best.products
        if len(best.products) < size:
            break
        after = best.products[-1]

    expected = [
        Ranked(naive.score(product_id, weights, query), view.number_of(product_id)) for product_id in naive.hits(query)
    ]
    assert pages == sorted(expected, key=lambda each: each.key)


@given(st.lists(entries(), max_size=20), batches, queries())
@settings(max_examples=20)
@pytest.mark.usefixtures("few")
def test_a_view_stays_as_it_is_while_the_index_changes(found, batches, query):
    index, naive = filled(*found), Naive()
    naive.take(found)
    view = index.view()
    before = answers(view, query, ALL)
    tags = {product_id: view.tags_of(view.number_of(product_id)) for product_id in naive.products()}

    for batch in batches:
        index.take(changes(*batch))

    assert answers(view, query, ALL) == before
    for product_id in naive.products():
        number = view.number_of(product_id)
        assert view.tags_of(number) == tags[product_id]
        assert view.version_of(number) == naive.entries[product_id].version
    weights = dict.fromkeys(query.wanted, WEIGHT_STEPS)
    assert [each.score for each in view.best(view.hits(query), weights, query.min_band, 100).products] == sorted(
        (naive.score(product_id, weights, query) for product_id in naive.hits(query)), reverse=True
    )


def test_a_tag_that_comes_after_counts_were_kept_is_counted():
    index, naive, alone = filled(entry("a", 1, {"class:boots": 0.9})), Naive(), Query(all_of=("class:boots",))
    index.view().counts(alone, ALL, FACETS)  # from now on they are kept
    naive.take([entry("a", 1, {"class:boots": 0.9}), entry("b", 1, {"color:red": 0.9})])
    index.take(changes(entry("b", 1, {"color:red": 0.9})))

    assert index.view().counts(alone, ALL, FACETS) == naive.counts(alone, ALL, FACETS)


def test_products_of_a_tag_without_levels_are_ordered_by_their_confidence(monkeypatch):
    monkeypatch.setattr(ranking, "_FEW", 0)
    view = filled(entry("a", 1, {"color:navy": 0.5})).view()

    best = view.best(view.hits(ALL), {"color:navy": WEIGHT_STEPS}, Band.AUTO, 1)

    assert best.products == [Ranked(500 * WEIGHT_STEPS, view.number_of("a"))]


def test_an_older_version_never_replaces_a_newer_one():
    index = filled(entry("p", 2, {"color:red": 0.9}))

    taken = index.take(changes(entry("p", 1, {"color:navy": 0.9}), Entry.deletion("p", 1)))

    view = index.view()
    assert (taken, view.count("color:red"), view.count("color:navy")) == (0, 1, 0)


def test_a_deletion_blocks_older_versions_that_come_later():
    index = filled(Entry.deletion("p", 2))

    index.take(changes(entry("p", 2, {"color:red": 0.9}, sequence=5)))

    assert index.view().number_of("p") is None


def test_the_same_version_tagged_by_a_later_bundle_replaces_the_tags():
    index = filled(entry("p", 1, {"color:red": 0.9}, sequence=3))

    index.take(changes(entry("p", 1, {"color:navy": 0.9}, sequence=4)))
    index.take(changes(entry("p", 1, {"color:red": 0.9}, sequence=3)))

    assert [index.view().count(f"color:{value}") for value in ("red", "navy")] == [0, 1]


def test_a_view_keeps_the_tags_of_a_product_that_changes():
    index = filled(entry("p", 1, {"color:red": 0.9}))
    view = index.view()

    index.take(changes(entry("p", 2, {"color:navy": 0.8})))

    assert [tag.tag for tag in view.tags_of(0)] == ["color:red"]
    assert view.version_of(0) == 1


def test_counts_follow_the_changes():
    index = filled(entry("p", 1, {"color:red": 0.9, "class:boots": 0.9}), entry("q", 1, {"color:red": 0.9}))
    red = Query(all_of=("color:red",))
    assert index.view().counts(red, ALL, ["class"]) == {"class": [("boots", 1)]}

    index.take(changes(entry("q", 2, {"color:red": 0.9, "class:shoes": 0.9}), Entry.deletion("p", 2)))

    assert index.view().counts(red, ALL, ["class"]) == {"class": [("shoes", 1)]}


def test_a_tag_that_is_blocked_is_gone_at_once_and_comes_back():
    index = filled(entry("p", 1, {"color:red": 0.9, "class:boots": 0.9}))

    index.block({"color:red"})
    index.take(changes(entry("q", 1, {"color:red": 0.9})))

    view = index.view()
    assert not view.hits(Query(all_of=("color:red",)))
    assert view.counts(ALL, ALL, ["color", "class"]) == {"color": [], "class": [("boots", 1)]}
    assert [tag.tag for tag in view.tags_of(view.number_of("p"))] == ["class:boots"]

    index.block({"color:red", "class:boots"})
    assert not index.view().hits(Query(any_of=(("color:red", "class:boots"),)))

    index.block(set())
    assert ids(index.view(), index.view().postings("color:red")) == {"p", "q"}


def test_a_change_that_cannot_be_read_is_counted_and_leaves_its_neighbours_alone():
    index = filled(entry("p", 1, {"color:red": 0.9}))
    many = {f"color:{number}": 0.5 for number in range(300)}

    good = changes(entry("q", 1, {"color:red": 0.9}))
    index.take([Change(b"p", (2, False, 0, 0), b"\xff"), *changes(entry("r", 1, many)), *good])

    assert index.unreadable == 2
    assert ids(index.view(), index.view().postings("color:red", Band.AUTO)) == {"p", "q"}


def test_products_with_many_tags_are_found_like_others(monkeypatch):
    monkeypatch.setattr("hangtag.index.rows._ROOM", 4)
    many = {f"color:{number}": 0.9 for number in range(20)}
    index = filled(*(entry(str(number), 1, many) for number in range(4)), entry("p", 1, {"color:0": 0.9}))
    before = index.view()

    index.take(changes(*(entry(str(number), 2, many) for number in range(4, 8)), entry("0", 2, {"color:1": 0.9})))

    assert [len(before.tags_of(before.number_of(product_id))) for product_id in ("0", "3", "p")] == [20, 20, 1]
    view = index.view()
    assert [len(view.tags_of(view.number_of(product_id))) for product_id in ("0", "3", "7", "p")] == [1, 20, 20, 1]
    assert dict(view.counts(ALL, ALL, ["color"])["color"]) | {"0": 8, "1": 8} == dict.fromkeys(many_values(), 7) | {
        "0": 8,
        "1": 8,
    }
    alone = Query(all_of=("color:7",))
    best = view.best(view.hits(alone), {"color:7": WEIGHT_STEPS}, Band.AUTO, 10)
    assert {each.score for each in best.products} == {900 * WEIGHT_STEPS}


def many_values() -> list[str]:
    return [str(number) for number in range(20)]


@given(st.lists(entries(), max_size=20), st.lists(entries(), max_size=20), asked)
@settings(max_examples=20)
def test_replacing_what_is_wrong_makes_it_answer_as_if_it_had_never_been(wrong, right, asked):
    index, expected = filled(*wrong), filled(*right)
    ids_of = {each.product_id.encode() for each in (*wrong, *right)}
    newest = {each.product_id.encode(): each for each in sorted(right, key=lambda each: each.rank)}
    replaced = []
    for product_id in ids_of:
        found = content_in(index, product_id)
        change = Change.of(newest[product_id]) if product_id in newest else Change(product_id, NOTHING, b"")
        replaced.append((None if found is None else found[0], change))

    assert index.replace(replaced) == len(ids_of)

    assert answers(index.view(), asked[0], asked[1]) == answers(expected.view(), asked[0], asked[1])
    assert {each: content_in(index, each) for each in newest} == {each: content_in(expected, each) for each in newest}
    assert all(content_in(index, each) is None for each in ids_of - newest.keys())
    # What comes then is newer than nothing, and no newer than what is there.
    index.take(changes(*right))
    assert answers(index.view(), asked[0], asked[1]) == answers(expected.view(), asked[0], asked[1])


def test_what_has_changed_since_it_was_found_wrong_is_left_alone():
    index = filled(entry("a", 1, {"color:red": 0.9}))
    index.take(changes(entry("a", 3, {"color:navy": 0.9})))

    assert index.replace([((1, False, 0, 0), Change.of(entry("a", 2, {"color:red": 0.9})))]) == 0
    assert index.replace([(None, Change.of(entry("a", 2, {"color:red": 0.9})))]) == 0

    assert content_in(index, b"a")[0][0] == 3
