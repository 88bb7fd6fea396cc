"""Searches: words and filters become tags here, and the index is asked for products."""

import asyncio
from collections.abc import Iterator, Sequence

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from hangtag.settings import RedisSettings
from hangtag.v1 import tags_pb2
from tests.integration.server.index import RecordingIndex, indexing
from tests.integration.server.parts import (
    NOT_SERVING,
    SERVING,
    Code,
    Served,
    fails_with,
    serving,
    settings_for,
    until,
)
from tests.integration.server.web_client import WebClient
from tests.integration.server.word_tagger import SCHEMA, WordTagger


@pytest.fixture(scope="module")
def index() -> RecordingIndex:
    return RecordingIndex()


@pytest.fixture(scope="module")
def index_port(index: RecordingIndex) -> Iterator[int]:
    with indexing(index) as port:
        yield port


@pytest.fixture(scope="module", params=["grpcio", "native"])
def searched(
    request: pytest.FixtureRequest,
    loop: asyncio.AbstractEventLoop,
    valkey_url: str,
    index_port: int,
) -> Iterator[Served]:
    settings = settings_for(
        RedisSettings(url=valkey_url),
        transport=request.param,
        http_port=0,
        index_address=f"127.0.0.1:{index_port}",
    )
    with serving(loop, settings, WordTagger()) as served:
        yield served


@pytest.fixture(autouse=True)
def _fresh(index: RecordingIndex) -> None:
    index.asked.clear()
    index.replies.clear()
    index.errors.clear()


def names(tags: Sequence[tags_pb2.TagName]) -> list[str]:
    return [f"{each.facet}:{each.value}" for each in tags]


def find(served: Served, timeout: float = 5, **fields: object) -> tags_pb2.FindProductsResponse:
    return served.tags.FindProducts(tags_pb2.FindProductsRequest(**fields), timeout=timeout)


def info_of(call: pytest.ExceptionInfo[grpc.RpcError]) -> tuple[ErrorInfo, RetryInfo | None]:
    details = dict(call.value.trailing_metadata())["grpc-status-details-bin"]
    info, retry = ErrorInfo(), RetryInfo()
    found = Status.FromString(details).details
    assert found[0].Unpack(info)
    return info, retry if len(found) > 1 and found[1].Unpack(retry) else None


def test_words_that_name_tags_filter_others_rank_and_unwanted_ones_are_excluded(
    searched: Served, index: RecordingIndex
) -> None:
    index.replies["FindProducts"] = tags_pb2.FindProductsResponse(total=7, next_page_token="t")

    reply = find(searched, text="red shoes", page_size=3, count_facets=["color"])

    asked = index.last
    assert (asked.text, asked.filter, asked.page_size, list(asked.count_facets)) == ("", "", 3, ["color"])
    assert names(asked.query.all_of) == ["class:shoes", "color:red"]
    assert names(asked.query.none_of) == ["color:blue"]
    assert [(each.value, round(each.weight, 3)) for each in asked.boosts] == [("clothing", 0.9)]
    assert (reply.total, reply.next_page_token, reply.bundle_version) == (7, "t", searched_version())
    assert [(each.tag.value, each.use) for each in reply.used] == [
        ("clothing", tags_pb2.TAG_USE_RANKED),
        ("shoes", tags_pb2.TAG_USE_FILTERED),
        ("red", tags_pb2.TAG_USE_FILTERED),
        ("blue", tags_pb2.TAG_USE_EXCLUDED),
    ]


def searched_version() -> str:
    return str(WordTagger().bundle.version)


def test_one_of_several_named_tags_of_a_facet_is_enough(searched: Served, index: RecordingIndex) -> None:
    find(searched, text="red or blue")

    assert [names(group.tags) for group in index.last.query.any_of] == [["color:red", "color:blue"]]
    assert not index.last.query.all_of


def test_a_text_with_inferred_tags_only_means_products_that_have_one(searched: Served, index: RecordingIndex) -> None:
    find(searched, text="something for a wedding")
    alone = index.last
    find(searched, text="something for a wedding", filter="color:red")
    beside = index.last

    assert [names(group.tags) for group in alone.query.any_of] == [["class:dresses"]]
    assert (names(beside.query.all_of), len(beside.query.any_of)) == (["color:red"], 0)
    assert [each.value for each in alone.boosts] == [each.value for each in beside.boosts] == ["dresses"]


def test_a_text_without_tags_finds_nothing_unless_something_else_is_asked_for(
    searched: Served, index: RecordingIndex
) -> None:
    index.replies["FindProducts"] = tags_pb2.FindProductsResponse(total=9)

    alone = find(searched, text="hello", base={"all_of": [{"facet": "segment", "value": "games"}]})
    asked_alone = len(index.asked)
    beside = find(searched, text="hello", filter="color:red")

    assert (alone.total, alone.no_tags_reason, asked_alone) == (0, tags_pb2.NO_TAGS_REASON_OFF_TOPIC, 0)
    assert (beside.total, beside.no_tags_reason) == (9, tags_pb2.NO_TAGS_REASON_OFF_TOPIC)


def test_a_text_without_a_word_for_a_thing_still_names_attributes(searched: Served, index: RecordingIndex) -> None:
    reply = find(searched, text="red please size 10 thanks")

    assert names(index.last.query.all_of) == ["color:red"]
    (used,) = reply.used
    assert (used.tag.value, used.tag.is_named, list(used.tag.supported_by)) == ("red", True, ["red"])
    assert (used.use, reply.no_tags_reason) == (tags_pb2.TAG_USE_FILTERED, tags_pb2.NO_TAGS_REASON_UNSPECIFIED)


def test_a_text_without_hits_is_searched_for_among_less_sure_tags(searched: Served, index: RecordingIndex) -> None:
    def answer(request: tags_pb2.FindProductsRequest) -> tags_pb2.FindProductsResponse:
        is_wide = request.query.min_band == tags_pb2.BAND_REVIEW
        return tags_pb2.FindProductsResponse(total=3 if is_wide else 0, next_page_token="t" if is_wide else "")

    index.replies["FindProducts"] = answer
    first = find(searched, text="red shoes")
    second = find(searched, text="red shoes", page_token=first.next_page_token)
    asked = [(each.query.min_band, each.page_token) for each in index.asked]
    by_tags = find(searched, filter="color:red")
    auto = find(searched, text="red shoes", query={"min_band": tags_pb2.BAND_AUTO})

    assert (first.total, first.min_band, first.next_page_token) == (3, tags_pb2.BAND_REVIEW, "r.t")
    assert (second.total, second.min_band) == (3, tags_pb2.BAND_REVIEW)
    assert asked == [(0, ""), (tags_pb2.BAND_REVIEW, ""), (tags_pb2.BAND_REVIEW, "t")]
    # Whoever asks for tags, or for a band, gets what was asked for.
    assert (by_tags.total, by_tags.min_band) == (auto.total, auto.min_band) == (0, tags_pb2.BAND_AUTO)


def test_filter_query_and_text_hold_together(searched: Served, index: RecordingIndex) -> None:
    find(
        searched,
        query={"all_of": [{"facet": "class", "value": "shoes"}], "min_band": tags_pb2.BAND_REVIEW},
        filter='segment:[clothing,pets] AND NOT class:"cat food"',
        text="red shoes",
    )

    query = index.last.query
    assert names(query.all_of) == ["class:shoes", "color:red"]
    assert [names(group.tags) for group in query.any_of] == [["segment:clothing", "segment:pets"]]
    assert names(query.none_of) == ["class:cat food", "color:blue"]
    assert query.min_band == tags_pb2.BAND_REVIEW


def test_a_filter_that_cannot_be_read_names_the_character(searched: Served) -> None:
    with pytest.raises(grpc.RpcError) as error:
        find(searched, filter="class:shoes AND color:rde")

    assert error.value.code() is Code.INVALID_ARGUMENT
    assert error.value.details() == "filter, character 23: color has no value 'rde'; did you mean 'red'?"
    info, _ = info_of(error)
    assert (info.reason, dict(info.metadata)) == ("INVALID_FILTER", {"field": "filter", "position": "23"})


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"page_size": 101}, "page_size is 101; send 1 to 100"),
        ({"max_values": -1}, "max_values is -1"),
        ({"boosts": [{"facet": "color", "value": "red", "weight": 101}]}, "boosts[0].weight is 101"),
        ({"boosts": [{"facet": "color", "value": "red", "weight": float("nan")}]}, "boosts[0].weight is nan"),
        ({"query": {"all_of": [{"facet": "color"}]}}, "query.all_of[0].value is empty"),
        ({"base": {"any_of": [{}]}}, "base.any_of[0].tags is empty"),
        ({"query": {"none_of": [{"facet": "a", "value": "b"}] * 257}}, "query has 257 tags"),
        ({"query": {"min_band": 3}}, "query.min_band is 3"),
        ({"count_facets": ["a"] * 65}, "count_facets has 65 facets"),
        ({"text": "x" * 10_001}, "text has 10001 characters"),
        ({"text": "<b> </b>"}, "text has no visible text"),
        ({"filter": " " * 4_097}, "the filter has 4097 characters"),
        ({"page_token": "x" * 1_025}, "page_token"),
    ],
)
def test_what_is_wrong_with_a_search_is_named(searched: Served, fields: dict[str, object], part: str) -> None:
    with fails_with(Code.INVALID_ARGUMENT, part):
        find(searched, **fields)


def test_deadlines_and_errors_are_passed_on(searched: Served, index: RecordingIndex) -> None:
    similar = searched.tags.SimilarProducts
    request = tags_pb2.SimilarProductsRequest(product_id="a")
    similar(request, timeout=3)
    # Without a deadline of its own the index would be given 10 s.
    assert 0 < index.left_s[-1] < 5
    for ours, theirs in (
        (Code.NOT_FOUND, Code.NOT_FOUND),
        (Code.INVALID_ARGUMENT, Code.INVALID_ARGUMENT),
        (Code.UNAVAILABLE, Code.UNAVAILABLE),
        (Code.RESOURCE_EXHAUSTED, Code.RESOURCE_EXHAUSTED),
        (Code.INTERNAL, Code.UNKNOWN),
    ):
        index.errors["SimilarProducts"] = (theirs, "said by the index")
        with fails_with(ours):
            similar(request, timeout=3)


def test_a_profile_never_has_sensitive_tags(searched: Served, index: RecordingIndex) -> None:
    searched.tags.TagProfile(
        tags_pb2.TagProfileRequest(
            product_ids=["a"], without_facets=["color"], without_tags=[{"facet": "class", "value": "shoes"}]
        ),
        timeout=5,
    )

    assert list(index.last.without_facets) == ["color", "genre"]
    assert {"class:shoes", "color:red", "genre:action"} <= set(names(index.last.without_tags))
    assert "color:blue" not in names(index.last.without_tags)
    with fails_with(Code.INVALID_ARGUMENT, "product_ids has 0 ids"):
        searched.tags.TagProfile(tags_pb2.TagProfileRequest(), timeout=5)


def test_a_question_has_words_and_labels(searched: Served, index: RecordingIndex) -> None:
    index.replies["Clarify"] = tags_pb2.ClarifyResponse(
        facet="class", choices=[{"value": "shoes", "products": 4}, {"value": "dresses"}], candidates=9
    )

    reply = searched.tags.Clarify(tags_pb2.ClarifyRequest(text="red shoes"), timeout=5)
    asked = index.last
    unrelated = searched.tags.Clarify(tags_pb2.ClarifyRequest(text="hello"), timeout=5)
    searched.tags.Clarify(tags_pb2.ClarifyRequest(text="a b c d e"), timeout=5)

    assert reply.question == "Which of these is it?"
    assert [each.label for each in reply.choices] == ["Shoes", "dresses"]
    assert (reply.candidates, len(reply.used)) == (9, 4)
    assert names(asked.query.all_of) == ["class:shoes", "color:red"]
    assert list(asked.facets) == ["segment", "class", "color", "genre"]
    assert (unrelated.end, unrelated.facet) == (tags_pb2.CLARIFY_END_NO_PRODUCTS, "")
    # What is too short to be searched for is what a question helps with.
    assert len(index.asked) == 2


def test_tags_are_listed_with_what_the_schema_says_and_with_counts(searched: Served, index: RecordingIndex) -> None:
    index.replies["ListTags"] = tags_pb2.ListTagsResponse(
        facets=[{"facet": "class", "tags": [{"value": "shoes", "products": 5, "review_products": 2}]}],
        index={"products": 8},
    )

    reply = searched.tags.ListTags(tags_pb2.ListTagsRequest(), timeout=5)
    index.errors["ListTags"] = (Code.UNAVAILABLE, "away")
    without = searched.tags.ListTags(tags_pb2.ListTagsRequest(facets=["class"]), timeout=5)

    assert [each.facet for each in reply.facets] == ["segment", "class", "color", "genre"]
    kinds, colors, genre = reply.facets[1], reply.facets[2], reply.facets[3]
    shoes = next(each for each in kinds.tags if each.value == "shoes")
    assert (shoes.label, list(shoes.synonyms), dict(shoes.codes)) == ("Shoes", ["sneakers"], {"gs1": "10001070"})
    assert (names(shoes.parents), shoes.products, shoes.review_products) == (["segment:clothing"], 5, 2)
    assert (shoes.auto_from, shoes.review_from) == (0.5, 0.25)
    assert names(colors.applies_with) == ["segment:clothing"]
    assert [(each.value, each.is_blocked, each.HasField("auto_from")) for each in colors.tags] == [
        ("blue", False, True),
        ("navy", True, False),
        ("red", False, True),
    ]
    assert [each.value for each in colors.tags if each.is_sensitive] == ["red"]
    assert not colors.is_sensitive
    assert (genre.is_sensitive, genre.is_multi, kinds.parent_facet) == (True, True, "segment")
    assert (reply.index.products, reply.schema_hash) == (8, SCHEMA.content_hash)
    assert [each.facet for each in without.facets] == ["class"]
    assert not without.facets[0].tags[0].HasField("products")


def test_searches_are_answered_over_http(searched: Served, index: RecordingIndex) -> None:
    index.replies["FindProducts"] = tags_pb2.FindProductsResponse(total=7)
    assert searched.http_port is not None
    with WebClient(searched.http_port) as client:
        found = client.call("FindProducts", {"text": "red shoes", "countFacets": ["*"]})
        wrong = client.call("FindProducts", {"filter": "shoes"})

    assert (found.status, found.json["total"], found.json["used"][1]["use"]) == (200, "7", "TAG_USE_FILTERED")
    assert (wrong.status, wrong.reason) == (400, "INVALID_FILTER")
    (info,) = [each["debug"] for each in wrong.json["details"] if each["type"] == "google.rpc.ErrorInfo"]
    assert info["metadata"]["position"] == "1"


def test_health_of_searches_follows_the_index_and_look_ups_do_not(searched: Served, index: RecordingIndex) -> None:
    until(lambda: searched.health("hangtag.v1.Search") == SERVING)
    index.set_serving(is_serving=False)
    until(lambda: searched.health("hangtag.v1.Search") == NOT_SERVING)

    assert searched.health() == searched.health("hangtag.v1.TagService") == SERVING
    index.set_serving(is_serving=True)
    until(lambda: searched.health("hangtag.v1.Search") == SERVING)


def test_without_an_index_searches_are_unavailable_and_nothing_else(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, index: RecordingIndex
) -> None:
    with indexing(RecordingIndex()) as port:
        pass
    settings = settings_for(redis_settings, index_address=f"127.0.0.1:{port}")
    with serving(loop, settings, WordTagger()) as served:
        with pytest.raises(grpc.RpcError) as error:
            find(served, filter="color:red")
        info, retry = info_of(error)
        assert (error.value.code(), info.reason) == (Code.UNAVAILABLE, "INDEX_UNAVAILABLE")
        assert retry is not None
        assert retry.retry_delay.ToMilliseconds() == 500
        assert served.health("hangtag.v1.Search") == NOT_SERVING
        assert served.health("hangtag.v1.TagService") == SERVING
        assert served.batch(["never"])[0].freshness == tags_pb2.FRESHNESS_UNKNOWN
        with indexing(index, port):
            until(lambda: served.health("hangtag.v1.Search") == SERVING)
            find(served, filter="color:red")


def test_more_searches_than_the_limit_are_refused(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, index: RecordingIndex, index_port: int
) -> None:
    settings = settings_for(redis_settings, index_address=f"127.0.0.1:{index_port}", max_search_work=16)
    tagger = WordTagger()
    with serving(loop, settings, tagger) as served:
        held = index.hold()
        try:
            first = served.tags.FindProducts.future(
                tags_pb2.FindProductsRequest(filter="color:red", count_facets=["x"] * 15), timeout=5
            )
            until(lambda: index.asked)
            with fails_with(Code.RESOURCE_EXHAUSTED, "16 searches and counted facets are in progress"):
                find(served, filter="color:red")
        finally:
            held.set()
        assert first.result().total == 0
