"""How the tags of a text are used in a search."""

from collections.abc import Sequence

import pytest

from hangtag.server.search.understood import facets_above, narrowed, understand
from hangtag.v1 import tags_pb2
from tests.bundles import tiny_schema

ABOVE = facets_above(tiny_schema())
F, R, X = tags_pb2.TAG_USE_FILTERED, tags_pb2.TAG_USE_RANKED, tags_pb2.TAG_USE_EXCLUDED


def suggested(*tags: tuple[str, float, bool], none_of: Sequence[str] = ()) -> tags_pb2.SuggestTagsResponse:
    """Tags with confidence, and whether the text names them."""
    return tags_pb2.SuggestTagsResponse(
        tags=[
            tags_pb2.Tag(facet=name.split(":")[0], value=name.split(":")[1], confidence=confidence, is_named=is_named)
            for name, confidence, is_named in tags
        ],
        none_of=[tags_pb2.TagName(facet=each.split(":")[0], value=each.split(":")[1]) for each in none_of],
    )


def written(tags: Sequence[tags_pb2.TagName | tags_pb2.TagBoost]) -> list[str]:
    return [f"{each.facet}:{each.value}" for each in tags]


def test_only_named_tags_filter_whatever_the_confidence() -> None:
    understood = understand(suggested(("class:shoes", 0.99, False), ("color:red", 0.3, True)), ABOVE)

    assert written(understood.query.all_of) == ["color:red"]
    assert [(each.value, round(each.weight, 2)) for each in understood.boosts] == [("shoes", 0.99)]
    assert [each.use for each in understood.used] == [R, F]


def test_what_is_not_wanted_is_left_out_whether_or_not_anything_else_is_said() -> None:
    understood = understand(suggested(("class:shoes", 0.9, True), none_of=["color:red"]), ABOVE)
    alone = understand(suggested(none_of=["color:red"]), ABOVE)

    assert written(understood.query.none_of) == written(alone.query.none_of) == ["color:red"]
    assert [each.use for each in understood.used] == [F, X]
    assert alone.says_something


def test_a_named_class_makes_filters_of_the_facets_above_it_unnecessary() -> None:
    named = (("segment:clothing", 0.9, True), ("class:shoes", 0.8, True), ("segment:pets", 0.2, True))

    below = understand(suggested(*named), ABOVE)
    above = understand(suggested(named[0], named[2]), ABOVE)

    assert written(below.query.all_of) == ["class:shoes"]
    assert not below.query.any_of
    assert [written(group.tags) for group in above.query.any_of] == [["segment:clothing", "segment:pets"]]


@pytest.mark.parametrize(("confidence", "uses"), [(0.49, []), (0.5, [R])])
def test_an_attribute_that_is_not_named_ranks_only_if_it_is_likely(confidence: float, uses: list[int]) -> None:
    attribute = understand(suggested(("color:red", confidence, False)), ABOVE, {"color"})
    other = understand(suggested(("class:shoes", confidence, False)), ABOVE, {"color"})

    assert [each.use for each in attribute.used] == uses
    assert [each.use for each in other.used] == [R]
    assert bool(attribute.no_tags_reason) is not bool(uses)


def test_inferred_tags_alone_stand_for_products_that_have_one_of_them() -> None:
    understood = understand(suggested(("class:shoes", 0.9, False), ("color:red", 0.8, False)), ABOVE)
    chosen = tags_pb2.TagQuery(all_of=[{"facet": "segment", "value": "pets"}], min_band=tags_pb2.BAND_REVIEW)

    alone = narrowed(understood, tags_pb2.TagQuery())
    beside = narrowed(understood, chosen)
    attribute = ("color:red", 0.8, False)
    things = understand(suggested(("class:shoes", 0.9, False), attribute), ABOVE, {"color"})
    nothing_else = understand(suggested(attribute), ABOVE, {"color"})

    assert [written(group.tags) for group in alone.any_of] == [["class:shoes", "color:red"]]
    # Not all that is red, if the text is about shoes.
    assert [written(group.tags) for group in narrowed(things, tags_pb2.TagQuery()).any_of] == [["class:shoes"]]
    assert [written(group.tags) for group in narrowed(nothing_else, tags_pb2.TagQuery()).any_of] == [["color:red"]]
    assert beside == chosen


def test_what_is_chosen_and_said_is_asked_for_once() -> None:
    understood = understand(suggested(("class:shoes", 0.9, True), none_of=["color:red"]), ABOVE)
    chosen = tags_pb2.TagQuery(
        all_of=[{"facet": "class", "value": "shoes"}], none_of=[{"facet": "color", "value": "red"}]
    )

    assert narrowed(understood, chosen) == chosen
    assert chosen.all_of[0].value == "shoes"
