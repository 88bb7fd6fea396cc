"""Look-ups with a filter: the tags that it lets through, and all else as without one."""

import json
import urllib.request

import pytest

from hangtag.settings import RedisSettings
from hangtag.store import Arrival, Entry, RedisTagStore
from hangtag.v1 import tags_pb2
from hangtag.v1.tags_pb2 import BatchGetProductTagsRequest, GetProductTagsRequest, TagFilter
from tests.integration.server.parts import (
    BUNDLE,
    Code,
    FakeTagger,
    Served,
    fails_with,
    free_port,
    serving,
    settings_for,
)

NAVY, RED, BOOTS = (
    tags_pb2.Tag(facet=facet, value=value, confidence=confidence, band=tags_pb2.BAND_AUTO)
    for facet, value, confidence in (("color", "navy", 0.5), ("color", "red", 0.9), ("class", "boots", 0.7))
)
KIDS = tags_pb2.Tag(facet="audience", value="kids", confidence=0.4, band=tags_pb2.BAND_REVIEW)
STORED = tags_pb2.ProductTags(
    product_id="a", version=5, tags=[RED, NAVY, BOOTS], review=[KIDS], bundle_version=BUNDLE, tagged_at={"seconds": 9}
)


@pytest.fixture(autouse=True)
def _stored(store: RedisTagStore) -> None:
    store.mark_seen([Arrival("new", 5)])
    store.write([Entry("a", 5, STORED.SerializeToString())])


def looked_up(served: Served, tag_filter: TagFilter | None) -> tags_pb2.GetProductTagsResponse:
    """The product, as a single look-up and a batch return it."""
    single = served.tags.GetProductTags(GetProductTagsRequest(product_id="a", filter=tag_filter), timeout=5)
    request = BatchGetProductTagsRequest(product_ids=["a", "new", "a"], filter=tag_filter)
    first, new, again = served.tags.BatchGetProductTags(request, timeout=5).products
    for each in (single, first, again):
        each.ClearField("as_of")
    assert single == first == again
    assert (new.product_id, new.freshness) == ("new", tags_pb2.FRESHNESS_PENDING)
    return single


@pytest.mark.parametrize(
    ("tag_filter", "tags", "review"),
    [
        (None, [RED, NAVY, BOOTS], [KIDS]),
        (TagFilter(), [RED, NAVY, BOOTS], [KIDS]),
        (TagFilter(facets=["class", "audience", "unknown"]), [BOOTS], [KIDS]),
        (TagFilter(max_tags=2), [RED, BOOTS], [KIDS]),
        (TagFilter(min_confidence=0.7), [RED, BOOTS], []),
        (TagFilter(min_band=tags_pb2.BAND_AUTO), [RED, NAVY, BOOTS], []),
        (TagFilter(facets=["audience"]), [], [KIDS]),
    ],
)
def test_the_tags_that_the_filter_lets_through(
    served: Served, tag_filter: TagFilter | None, tags: list[tags_pb2.Tag], review: list[tags_pb2.Tag]
) -> None:
    reply = looked_up(served, tag_filter)

    assert (list(reply.tags), list(reply.review)) == (tags, review)
    assert reply.no_tags_reason == (0 if tags else tags_pb2.NO_TAGS_REASON_FILTERED)
    assert (reply.version, reply.bundle_version, reply.tagged_at.seconds) == (5, BUNDLE, 9)
    assert reply.freshness == tags_pb2.FRESHNESS_FRESH


def test_a_wrong_filter_is_refused(served: Served) -> None:
    wrong = TagFilter(min_confidence=2)
    with fails_with(Code.INVALID_ARGUMENT, "filter.min_confidence is 2; send a number from 0 to 1"):
        served.tags.GetProductTags(GetProductTagsRequest(product_id="a", filter=wrong), timeout=5)
    with fails_with(Code.INVALID_ARGUMENT, "filter.min_confidence is 2"):
        served.tags.BatchGetProductTags(BatchGetProductTagsRequest(product_ids=["a"], filter=wrong), timeout=5)


def test_the_products_that_are_looked_up_most_are_on_a_page(
    loop: object, redis_settings: RedisSettings, tagger: FakeTagger
) -> None:
    port = free_port()
    with serving(loop, settings_for(redis_settings, metrics_port=port), tagger) as served:
        for _ in range(5):
            served.batch(["a"] * 900 + ["b"] * 100)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/popular", timeout=5) as answer:
            page = json.load(answer)

    assert next(iter(page["lookups"])) == "a"
    assert 3_000 < page["lookups"]["a"] < 6_000
