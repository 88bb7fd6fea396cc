"""Filters of tags: what is left is a part of what was there, in its order, and all of it fits the filter."""

import math

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.server.checks import check_filter
from hangtag.server.errors import CallError
from hangtag.server.narrow import filter_of, narrow, narrow_stored
from hangtag.v1 import tags_pb2

AUTO, REVIEW = tags_pb2.BAND_AUTO, tags_pb2.BAND_REVIEW
FILTERED, LOW = tags_pb2.NO_TAGS_REASON_FILTERED, tags_pb2.NO_TAGS_REASON_LOW_CONFIDENCE

facets = st.sampled_from(["class", "color", "audience", "gr\u00f6\u00dfe"])
confidences = st.floats(0, 1, width=32)
# With few different confidences, so that some are equal.
tags = st.lists(
    st.builds(
        tags_pb2.Tag,
        facet=facets,
        value=st.text(max_size=3),
        confidence=st.one_of(st.sampled_from([0.1, 0.5, 0.7]), confidences),
    ),
    max_size=12,
)
filters = st.builds(
    tags_pb2.TagFilter,
    facets=st.lists(st.one_of(facets, st.just("unknown")), max_size=3),
    max_tags=st.integers(0, 6),
    min_confidence=st.one_of(st.sampled_from([0.0, 0.1, 0.5, 0.7]), confidences),
    min_band=st.sampled_from([tags_pb2.BAND_UNSPECIFIED, AUTO, REVIEW]),
)
reasons = st.sampled_from([tags_pb2.NO_TAGS_REASON_UNSPECIFIED, LOW])


def narrowed(
    some: list[tags_pb2.Tag], review: list[tags_pb2.Tag], tag_filter: tags_pb2.TagFilter
) -> tags_pb2.SuggestTagsResponse:
    reply = tags_pb2.SuggestTagsResponse(tags=some, review=review, no_tags_reason=0 if some else LOW)
    narrow(reply, tag_filter)
    return reply


def places_of(part: list[tags_pb2.Tag], all_tags: list[tags_pb2.Tag]) -> list[int]:
    """Where a part in the same order is; fails if it is none."""
    places, start = [], 0
    for tag in part:
        start = all_tags.index(tag, start) + 1
        places.append(start - 1)
    return places


@given(tags, tags, filters)
def test_what_is_left_fits_the_filter_and_nothing_that_fits_is_missing(some, review, tag_filter):
    reply = narrowed(some, review, tag_filter)

    for before, after in ((some, list(reply.tags)), (review, list(reply.review))):
        if before is review and tag_filter.min_band == AUTO:
            assert after == []
            continue
        fitting = [
            tag
            for tag in before
            if tag.confidence >= tag_filter.min_confidence and (not tag_filter.facets or tag.facet in tag_filter.facets)
        ]
        assert len(after) == min(len(fitting), tag_filter.max_tags or len(fitting))
        kept = places_of(after, fitting)
        left_out = [tag.confidence for place, tag in enumerate(fitting) if place not in kept]
        assert not (after and left_out) or max(left_out) <= min(tag.confidence for tag in after)


@given(tags, tags, filters)
def test_no_tags_have_a_reason_which_says_whether_the_filter_is_it(some, review, tag_filter):
    reply = narrowed(some, review, tag_filter)

    expected = 0 if reply.tags else FILTERED if some else LOW
    assert reply.no_tags_reason == expected


@given(tags, tags, filters)
def test_narrowing_again_changes_nothing(some, review, tag_filter):
    once = narrowed(some, review, tag_filter)
    twice = tags_pb2.SuggestTagsResponse.FromString(once.SerializeToString())
    narrow(twice, tag_filter)

    assert twice == once


@given(tags, tags, filters)
def test_an_empty_filter_is_one_that_restricts_nothing(some, review, tag_filter):
    request = tags_pb2.SuggestTagsRequest(filter=tag_filter)
    assert filter_of(tags_pb2.SuggestTagsRequest()) is None
    if filter_of(request) is None:
        before = tags_pb2.SuggestTagsResponse(tags=some, review=review, no_tags_reason=0 if some else LOW)
        assert narrowed(some, review, tag_filter) == before
    else:
        assert tag_filter.facets or tag_filter.max_tags or tag_filter.min_confidence or tag_filter.min_band == AUTO


@given(tags, tags, filters)
def test_stored_tags_keep_everything_else(some, review, tag_filter):
    product = tags_pb2.ProductTags(
        product_id="a", version=7, tags=some, review=review, bundle_version="ab", decisions=[{"facet": "color"}]
    )
    # A field of a later release.
    payload = product.SerializeToString() + b"\x7a\x03new"

    found = tags_pb2.ProductTags.FromString(narrow_stored(payload, tag_filter))

    expected = narrowed(some, review, tag_filter)
    assert (list(found.tags), list(found.review)) == (list(expected.tags), list(expected.review))
    assert found.SerializeToString().endswith(b"\x7a\x03new")
    assert (found.product_id, found.version, found.bundle_version) == ("a", 7, "ab")
    assert list(found.decisions) == list(product.decisions)


def test_a_confidence_that_is_asked_for_as_it_was_sent_is_enough():
    """Both are 32-bit numbers: 0.1 is stored as a little more than 0.1."""
    tag = tags_pb2.Tag(facet="color", value="red", confidence=0.1)

    assert list(narrowed([tag], [], tags_pb2.TagFilter(min_confidence=0.1)).tags) == [tag]


@pytest.mark.parametrize(
    ("tag_filter", "message"),
    [
        (tags_pb2.TagFilter(facets=["color"] * 65), r"filter\.facets has 65 facets, the maximum is 64"),
        (tags_pb2.TagFilter(facets=["color", "x" * 257]), r"filter\.facets\[1\] has 257 characters, the maximum"),
        (tags_pb2.TagFilter(facets=["color", ""]), r"filter\.facets\[1\] is empty"),
        (tags_pb2.TagFilter(max_tags=-1), r"filter\.max_tags is -1"),
        (tags_pb2.TagFilter(min_confidence=1.5), r"filter\.min_confidence is 1\.5"),
        (tags_pb2.TagFilter(min_confidence=math.nan), r"filter\.min_confidence is nan"),
        (tags_pb2.TagFilter(min_band=tags_pb2.BAND_REJECT), r"filter\.min_band is 3; send BAND_AUTO"),
        (tags_pb2.TagFilter(min_band=17), r"filter\.min_band is 17"),
    ],
)
def test_a_wrong_filter_is_refused_with_the_name_of_its_field(tag_filter, message):
    with pytest.raises(CallError, match=f"^{message}") as caught:
        check_filter(tag_filter)

    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


@given(filters)
def test_a_filter_that_is_right_is_accepted(tag_filter):
    check_filter(tag_filter)
