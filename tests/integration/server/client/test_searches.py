"""Searches of the clients, with an index in memory behind a real server."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hangtag.client import (
    Band,
    Choice,
    ClarifyEnd,
    FacetCounts,
    Found,
    FoundProduct,
    IndexState,
    InvalidRequestError,
    NotFoundError,
    Profile,
    ProfileTag,
    Query,
    Relaxation,
    SettingError,
    SharedTag,
    SimilarProduct,
    Source,
    Tag,
    TagName,
    TagUse,
    UnavailableError,
)
from hangtag.settings import RedisSettings
from hangtag.v1 import tags_pb2
from tests.integration.server.client.parts import Make
from tests.integration.server.index import RecordingIndex, indexing
from tests.integration.server.parts import Code, Served, serving, settings_for
from tests.integration.server.word_tagger import WordTagger

STATE = tags_pb2.IndexState(as_of={"seconds": 9}, lag_records=2, products=3, offsets=[4, 5])
INDEX = IndexState(datetime.fromtimestamp(9, UTC), 2, 3, (4, 5))
RED = tags_pb2.Tag(facet="color", value="red", confidence=0.75, source=tags_pb2.SOURCE_MODEL, band=tags_pb2.BAND_AUTO)


@pytest.fixture(scope="module")
def index() -> RecordingIndex:
    return RecordingIndex()


@pytest.fixture(scope="module", params=("native",))
def transport(request: pytest.FixtureRequest) -> str:
    """What the server's own tests try with both."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def served(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, transport: str, index: RecordingIndex
) -> Iterator[Served]:
    with indexing(index) as port:
        settings = settings_for(redis_settings, transport=transport, index_address=f"127.0.0.1:{port}")
        with serving(loop, settings, WordTagger()) as served:
            yield served


@pytest.fixture(autouse=True)
def _fresh(index: RecordingIndex) -> None:
    index.asked.clear()
    index.replies.clear()
    index.errors.clear()


def test_products_are_found(make: Make, address: str, index: RecordingIndex) -> None:
    index.replies["FindProducts"] = tags_pb2.FindProductsResponse(
        products=[{"product_id": "a", "version": 7, "score": 1.5, "matched": [RED]}],
        total=12,
        next_page_token="next",
        facets=[{"facet": "color", "values": [{"value": "red", "products": 9}], "distinct_values": 3}],
        index=STATE,
        is_sampled=True,
        relaxations=[{"without": [{"facet": "color", "value": "red"}], "products": 4}],
    )

    found = make(address).find(
        "red shoes",
        tag_filter="segment:clothing",
        query=Query(all_of=["color:navy"], any_of=[["class:shoes", "class:dresses"]], review=True),
        base=Query(none_of=["genre:rpg"]),
        boosts={"color:red": 2.0},
        counts=["*"],
        max_values=8,
        page_size=1,
        page_token="this",
    )

    asked = index.last
    assert (asked.page_size, asked.page_token, list(asked.count_facets), asked.max_values) == (1, "this", ["*"], 8)
    assert [each.value for each in asked.query.all_of] == ["navy", "clothing", "shoes", "red"]
    assert [each.value for each in asked.query.any_of[0].tags] == ["shoes", "dresses"]
    assert (asked.query.min_band, asked.base.none_of[0].value) == (tags_pb2.BAND_REVIEW, "rpg")
    assert (asked.boosts[0].value, asked.boosts[0].weight) == ("red", 2)
    assert [(str(each.tag), each.use) for each in found.text.used] == [
        ("segment:clothing", TagUse.RANKED),
        ("class:shoes", TagUse.FILTERED),
        ("color:red", TagUse.FILTERED),
        ("color:blue", TagUse.EXCLUDED),
    ]
    red = Tag("color", "red", 0.75, Source.MODEL, Band.AUTO)
    assert found == Found(
        (FoundProduct("a", 7, 1.5, (red,)),),
        12,
        "next",
        {"color": FacetCounts("color", {"red": 9}, 3)},
        INDEX,
        is_sampled=True,
        relaxations=(Relaxation((TagName("color", "red"),), 4),),
        text=found.text,
        min_band=Band.REVIEW,
    )
    assert found.ids == ("a",)


def test_tags_are_listed(make: Make, address: str, index: RecordingIndex) -> None:
    index.replies["ListTags"] = tags_pb2.ListTagsResponse(
        facets=[{"facet": "class", "tags": [{"value": "shoes", "products": 5}]}], index=STATE
    )

    found = make(address).tags(["class", "color"])

    shoes = found.facets["class"].tags["shoes"]
    assert [each.facet for each in found] == ["class", "color"]
    assert (shoes.label, shoes.products, shoes.parents) == ("Shoes", 5, (TagName("segment", "clothing"),))
    assert (found.facets["color"].tags["navy"].auto_from, found.index) == (None, INDEX)


def test_the_next_question_is_asked(make: Make, address: str, index: RecordingIndex) -> None:
    index.replies["Clarify"] = tags_pb2.ClarifyResponse(
        facet="class", choices=[{"value": "shoes", "products": 4}], candidates=9, expected_candidates=4.5
    )
    client = make(address)

    question = client.clarify(query=Query(all_of=["color:red"]), asked_facets=["segment"], max_values=3)
    index.replies["Clarify"] = tags_pb2.ClarifyResponse(end=tags_pb2.CLARIFY_END_FEW_PRODUCTS)
    end = client.clarify()

    assert (list(index.asked[0].asked_facets), index.asked[0].max_values) == (["segment"], 3)
    assert (question.facet, question.choices) == ("class", (Choice("shoes", "Shoes", 4),))
    assert (question.candidates, question.expected_candidates, question.end) == (9, 4.5, None)
    assert question.question
    assert (end.end, end.facet) == (ClarifyEnd.FEW_PRODUCTS, "")


def test_similar_products_and_profiles(make: Make, address: str, index: RecordingIndex) -> None:
    index.replies["SimilarProducts"] = tags_pb2.SimilarProductsResponse(
        products=[
            {"product_id": "b", "version": 2, "score": 0.5, "shared": [{"facet": "a", "value": "b", "weight": 2}]}
        ]
    )
    index.replies["TagProfile"] = tags_pb2.TagProfileResponse(
        tags=[{"facet": "color", "value": "red", "share": 0.5, "lift": 4, "weight": 0.25}], found=2, not_found=1
    )
    client = make(address)

    similar = client.similar("a", base=Query(all_of=["color:red"]), page_size=2)
    profile = client.profile(["a", "b", "c"], max_tags=5)

    assert similar == [SimilarProduct("b", 2, 0.5, (SharedTag("a", "b", 2),))]
    assert (index.asked[0].page_size, index.asked[1].max_tags) == (2, 5)
    assert profile == Profile((ProfileTag("color", "red", 0.5, 4, 0.25),), 2, 1)
    assert profile.boosts == {"color:red": 0.25}


def test_errors_say_what_programs_need(make: Make, address: str, index: RecordingIndex) -> None:
    client = make(address, retries=None)

    with pytest.raises(InvalidRequestError) as error:
        client.find(tag_filter="color:red shoes")
    assert (error.value.reason, error.value.metadata) == ("INVALID_FILTER", {"field": "filter", "position": "11"})
    index.errors["SimilarProducts"] = (Code.NOT_FOUND, "there is no such product")
    with pytest.raises(NotFoundError, match="no such product"):
        client.similar("a")
    index.errors["FindProducts"] = (Code.UNAVAILABLE, "replaying")
    with pytest.raises(UnavailableError) as away:
        client.find(tag_filter="color:red")
    assert away.value.reason == "INDEX_UNAVAILABLE"
    with pytest.raises(SettingError, match="'red' is not a tag"):
        Query(all_of=["red"])
    with pytest.raises(SettingError, match="write \\['color:red'\\]"):
        Query(all_of="color:red")


def test_the_program_of_the_page_runs(address: str, index: RecordingIndex) -> None:
    page = (Path(__file__).resolve().parents[4] / "docs" / "client.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n((?:(?!^```).)*tags\.find\(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    index.replies["FindProducts"] = tags_pb2.FindProductsResponse(
        products=[{"product_id": "a"}],
        total=1,
        facets=[{"facet": "color", "values": [{"value": "red", "products": 9}]}],
    )
    index.replies["Clarify"] = tags_pb2.ClarifyResponse(facet="class", choices=[{"value": "shoes"}])
    printed: list[tuple[object, ...]] = []

    exec(program.replace("127.0.0.1:50051", address), {"print": lambda *parts: printed.append(parts)})

    assert printed[0][:2] == (1, ("a",))
    assert printed[1] == ({"color": {"red": 9}},)
    assert printed[2] == ("Which of these is it?", ["Shoes"])
    assert printed[3:] == [("segment", 3), ("class", 4), ("color", 3), ("genre", 3)]


def test_an_index_that_is_away_does_not_take_the_retries_of_look_ups(
    make: Make, address: str, index: RecordingIndex, served: Served
) -> None:
    client = make(address)
    index.errors["FindProducts"] = (Code.UNAVAILABLE, "replaying")
    attempts = getattr(client, "inner", client)._flow._attempts
    for _ in range(12):
        with pytest.raises(UnavailableError):
            client.find(tag_filter="color:red", timeout_s=0.3)

    assert attempts._budget.has_any
    assert not attempts._budget_of_searches.has_any
    assert client.get("never").product_id == "never"
