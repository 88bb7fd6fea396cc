"""Suggestions of a real bundle on the real engine over gRPC."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from hangtag.bundle import load_bundle
from hangtag.engine.cpu import CpuEngine
from hangtag.server import serve
from hangtag.server.member import Bound
from hangtag.settings import ModelSettings, RedisSettings, ServerSettings, Settings
from hangtag.tagger.tagger import Tagger, open_tagger
from hangtag.tags.thresholds import TagThresholds
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.v1 import tags_pb2, tags_pb2_grpc
from hangtag.v1.tags_pb2 import BatchSuggestTagsRequest, SuggestTagsRequest, SuggestTagsResponse, TagFilter
from tests.bundles import write_tiny_bundle

TEXTS = ["red dress", "a game of space for the cat", "blue shoe", "cat food " * 20, "x"]


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Tagger:
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    write_tiny_bundle(folder)
    return open_tagger(ModelSettings(bundle=str(folder), engine="cpu", threads=1))


async def called(settings: Settings, tagger: Tagger, method: str, requests: Sequence[Any]) -> list[Any]:
    """The replies to concurrent calls, which share batches; an error is returned in its place."""
    ready: asyncio.Future[Bound] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    running = asyncio.create_task(serve(settings, tagger, ready.set_result, stop))
    try:
        async with aio.insecure_channel(f"127.0.0.1:{(await asyncio.wait_for(ready, 10)).port}") as channel:
            call = getattr(tags_pb2_grpc.TagServiceStub(channel), method)
            calls = (call(request, timeout=10) for request in requests)
            return list(await asyncio.gather(*calls, return_exceptions=True))
    finally:
        stop.set()
        await running


def suggested(settings: Settings, tagger: Tagger, *requests: SuggestTagsRequest) -> list[SuggestTagsResponse]:
    return asyncio.run(called(settings, tagger, "SuggestTags", requests))


def suggested_together(settings: Settings, tagger: Tagger, *texts: SuggestTagsRequest) -> list[SuggestTagsResponse]:
    """The same requests in one batch."""
    (reply,) = asyncio.run(called(settings, tagger, "BatchSuggestTags", [BatchSuggestTagsRequest(texts=texts)]))
    return list(reply.suggestions)


@pytest.fixture
def settings(redis_settings: RedisSettings) -> Settings:
    server = ServerSettings(port=0, drain_s=0, transport="grpcio", suggest_token_budget=512)
    return Settings(redis=redis_settings, server=server)


def test_suggestions_are_what_the_tagger_predicts(settings: Settings, tagger: Tagger) -> None:
    replies = suggested(settings, tagger, *(SuggestTagsRequest(text=text) for text in TEXTS * 20))

    logits = [tagger.forward(tagger.encode([ProductText.of(text)])) for text in TEXTS]
    (alone,) = zip(*(tagger.decode(each, [TextKind.QUERY]) for each in logits), strict=True)
    for reply, expected in zip(replies, alone * 20, strict=True):
        assert reply.bundle_version == tagger.bundle.version
        for sent, known in ((reply.tags, expected.tags), (reply.review, expected.review)):
            assert [f"{tag.facet}:{tag.value}" for tag in sent] == [scored.tag for scored in known]
            assert [tag.confidence for tag in sent] == pytest.approx([s.confidence for s in known], abs=1e-3)
            assert [tags_pb2.Band.Name(tag.band) for tag in sent] == [f"BAND_{scored.band}" for scored in known]
        assert reply.no_tags_reason == tags_pb2.NO_TAGS_REASON_UNSPECIFIED or not reply.tags
    assert any(reply.tags for reply in replies)


def test_a_suggestion_without_a_tag_to_use_has_the_reason(settings: Settings, tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "tiny", thresholds=TagThresholds(auto=2, review=0.1))
    careful = open_tagger(ModelSettings(bundle=str(tmp_path / "tiny"), engine="cpu", threads=1))

    (reply,) = suggested(settings, careful, SuggestTagsRequest(text="red dress"))

    assert not reply.tags
    assert reply.no_tags_reason == tags_pb2.NO_TAGS_REASON_LOW_CONFIDENCE


def test_a_batch_has_the_same_answers_as_single_calls_in_its_order(settings: Settings, tagger: Tagger) -> None:
    requests = [SuggestTagsRequest(text=text, kind=kind) for text in TEXTS * 9 for kind in (0, 1)]

    assert suggested_together(settings, tagger, *requests) == suggested(settings, tagger, *requests)


def test_fields_that_are_not_read_completely_are_named(settings: Settings, tagger: Tagger) -> None:
    """By cleaning (1,000 characters of a title), and by the encoder (64 tokens)."""
    cases = {
        ("red dress", "", ""): [],
        ("red dress", "blue cat " * 20, "shoe"): [],
        ("red dress", "blue cat " * 50, "shoe"): ["description"],
        ("red " * 100, "", ""): ["text"],
        ("red " * 55, "", "cat " * 20): ["merchant_category"],
        ("red " * 70, "blue " * 70, "cat"): ["text", "description", "merchant_category"],
        # Few tokens, but more characters than cleaning keeps.
        ("x" * 1_001, "", ""): ["text"],
        ("x", "y " + "z" * 9_000, ""): ["description"],
    }
    requests = [SuggestTagsRequest(text=text, description=more, merchant_category=of) for text, more, of in cases]

    for replies in (suggested(settings, tagger, *requests), suggested_together(settings, tagger, *requests)):
        assert [list(reply.truncated_fields) for reply in replies] == list(cases.values())


def test_the_same_words_in_other_fields_are_one_text_with_fields_of_their_own(
    settings: Settings, tagger: Tagger
) -> None:
    title, category = "red " * 55, "cat " * 20
    requests = [
        SuggestTagsRequest(text=title, merchant_category=category, kind=tags_pb2.TEXT_KIND_QUERY),
        SuggestTagsRequest(text=f"{title}| {category}", kind=tags_pb2.TEXT_KIND_QUERY),
    ]

    replies = suggested_together(settings, tagger, *requests)

    assert [list(reply.truncated_fields) for reply in replies] == [["merchant_category"], ["text"]]
    assert replies[0].tags == replies[1].tags


def test_a_filter_leaves_the_tags_that_it_asks_for(settings: Settings, tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "tiny", thresholds=TagThresholds(auto=0.0, review=0.0))
    eager = open_tagger(ModelSettings(bundle=str(tmp_path / "tiny"), engine="cpu", threads=1))
    filters = [TagFilter(), TagFilter(facets=["segment"]), TagFilter(max_tags=1), TagFilter(facets=["unknown"])]
    requests = [SuggestTagsRequest(text="red dress", filter=each) for each in filters]

    for replies in (suggested(settings, eager, *requests), suggested_together(settings, eager, *requests)):
        every, segment, one, none = replies
        assert len(every.tags) > 1
        assert list(segment.tags) == [tag for tag in every.tags if tag.facet == "segment"]
        assert list(one.tags) == [max(every.tags, key=lambda tag: tag.confidence)]
        assert (list(none.tags), none.no_tags_reason) == ([], tags_pb2.NO_TAGS_REASON_FILTERED)


def test_one_wrong_text_refuses_the_batch_with_its_place(settings: Settings, tagger: Tagger) -> None:
    good = SuggestTagsRequest(text="red")
    cases = {
        "texts is empty": [],
        "texts has 101 texts, the maximum is 100": [good] * 101,
        "texts[1].text has 10001 characters": [good, SuggestTagsRequest(text="x" * 10_001)],
        "texts[2].text, texts[2].description and texts[2].merchant_category": [good, good, SuggestTagsRequest()],
        "texts[0].kind is 9": [SuggestTagsRequest(text="x", kind=9)],
        "texts[1].filter.max_tags is -1": [good, SuggestTagsRequest(text="x", filter=TagFilter(max_tags=-1))],
    }
    requests = [BatchSuggestTagsRequest(texts=texts) for texts in cases.values()]

    errors = asyncio.run(called(settings, tagger, "BatchSuggestTags", requests))

    for error, message in zip(errors, cases, strict=True):
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert error.details().startswith(message)


def test_a_suggestion_says_what_was_understood(settings: Settings) -> None:
    """The starter, as a bundle that was trained on English texts."""
    starter = load_bundle()
    english = starter.thresholds.map(lambda entry: entry.model_copy(update={"languages": ("en",)}))
    bundle = replace(starter, thresholds=english)
    knowing = Tagger.of(bundle, CpuEngine(bundle, threads=1, vectors=True))

    wish, german, order, short = suggested(
        settings,
        knowing,
        SuggestTagsRequest(
            text="red sneekers for my daughter, not black, under $50", filter=TagFilter(facets=["color"])
        ),
        SuggestTagsRequest(text="Kinderwagen"),
        SuggestTagsRequest(text="where is my order"),
        SuggestTagsRequest(text="blue, size 42"),
    )

    assert [(tag.facet, tag.value, tag.supported_by[0], tag.is_named) for tag in wish.tags] == [
        ("color", "red", "red", True)
    ]
    assert [(tag.facet, tag.value) for tag in wish.none_of] == [("color", "black")]
    assert [(span.kind, span.text) for span in wish.spans] == [(tags_pb2.SPAN_KIND_PRICE, "under $50")]
    assert wish.understood_text == "red sneakers for my daughter, not black, under $50"
    for reply, reason in (
        (german, tags_pb2.NO_TAGS_REASON_LANGUAGE_NOT_SUPPORTED),
        (order, tags_pb2.NO_TAGS_REASON_OFF_TOPIC),
        (short, tags_pb2.NO_TAGS_REASON_TOO_SHORT),
    ):
        assert (reply.no_tags_reason, list(reply.tags), list(reply.review)) == (reason, [], [])
    assert german.language
    assert not order.language
    assert [span.text for span in short.spans] == ["size 42"]
