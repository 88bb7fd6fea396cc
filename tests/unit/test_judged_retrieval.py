"""The judged queries of the benchmark of retrieval."""

import pytest

pytest.importorskip("bm25s", reason="bm25s is not installed (extra dev)")

from benchmarks.retrieval.judge import Query, figures, read_queries
from benchmarks.retrieval.run import QUERIES
from hangtag.bundle import read_schema


@pytest.mark.parametrize(("name", "classes", "attributes"), [("first", 162, 38), ("fresh", 80, 40)])
def test_every_query_is_judged_by_tags_of_the_schema_and_stands_there_once(
    name: str, classes: int, attributes: int
) -> None:
    queries, tags = read_queries(QUERIES[name]), set(read_schema().tags)

    assert len({each.text.casefold() for each in queries}) == len(queries) == classes + attributes
    assert all(group and group <= tags for each in queries for group in each.relevant)
    # A catalogue is labelled with classes, or with audience and color.
    assert all(each.facets == {"class"} or each.facets <= {"audience", "color"} for each in queries)
    assert sum(each.facets == {"class"} for each in queries) == classes


def test_no_fresh_query_is_one_of_the_first() -> None:
    first, fresh = ({each.text.casefold() for each in read_queries(path)} for path in QUERIES.values())

    assert not first & fresh


def test_figures_are_those_of_the_textbook() -> None:
    best, late, none = (figures(found, {"a", "b"}) for found in (["a", "b", "c"], ["c", "a"], []))

    assert (best.ndcg, best.precision, best.recall) == (1, 1, 1)
    # One of two, at the second place: 1 / log2(3), beside 1 + 1 / log2(3).
    assert (round(late.ndcg, 3), late.precision, late.recall) == (0.387, 0.5, 0.5)
    assert (none.ndcg, none.precision, none.recall) == (0, 0, 0)
    assert Query("x", (frozenset({"class:a"}),)).facets == {"class"}
