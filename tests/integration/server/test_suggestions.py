"""Suggestions of a real bundle on the real engine over gRPC."""

import asyncio
from pathlib import Path

import pytest
from grpc import aio

from hangtag.server import serve
from hangtag.settings import ModelSettings, RedisSettings, ServerSettings, Settings
from hangtag.tagger.tagger import Tagger, open_tagger
from hangtag.tags.thresholds import TagThresholds
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.v1 import tags_pb2, tags_pb2_grpc
from tests.bundles import write_tiny_bundle

TEXTS = ["red dress", "a game of space for the cat", "blue shoe", "cat food " * 20, "x"]


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Tagger:
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    write_tiny_bundle(folder)
    return open_tagger(ModelSettings(bundle=str(folder), engine="cpu", threads=1))


async def suggest_all(settings: Settings, tagger: Tagger, texts: list[str]) -> list[tags_pb2.SuggestTagsResponse]:
    """Concurrent calls, so that they share batches."""
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    running = asyncio.create_task(serve(settings, tagger, ready.set_result, stop))
    try:
        async with aio.insecure_channel(f"127.0.0.1:{await asyncio.wait_for(ready, 10)}") as channel:
            stub = tags_pb2_grpc.TagServiceStub(channel)
            requests = [tags_pb2.SuggestTagsRequest(text=text) for text in texts]
            return list(await asyncio.gather(*(stub.SuggestTags(request, timeout=10) for request in requests)))
    finally:
        stop.set()
        await running


def test_suggestions_are_what_the_tagger_predicts(redis_settings: RedisSettings, tagger: Tagger) -> None:
    settings = Settings(redis=redis_settings, server=ServerSettings(port=0, drain_s=0, suggest_token_budget=512))

    replies = asyncio.run(suggest_all(settings, tagger, TEXTS * 20))

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


def test_a_suggestion_without_a_tag_to_use_has_the_reason(redis_settings: RedisSettings, tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "tiny", thresholds=TagThresholds(auto=2, review=0.1))
    careful = open_tagger(ModelSettings(bundle=str(tmp_path / "tiny"), engine="cpu", threads=1))
    settings = Settings(redis=redis_settings, server=ServerSettings(port=0))

    (reply,) = asyncio.run(suggest_all(settings, careful, ["red dress"]))

    assert not reply.tags
    assert reply.no_tags_reason == tags_pb2.NO_TAGS_REASON_LOW_CONFIDENCE
