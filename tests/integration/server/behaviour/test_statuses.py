"""Every error of the contract: status, reason, when to try again, and a message that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest

from hangtag.store import Entry, RedisTagStore
from hangtag.telemetry import metrics
from hangtag.v1 import tags_pb2
from tests.forwarder import Forwarder
from tests.integration.server.behaviour.outcome import outcome_of
from tests.integration.server.parts import Code, FakeTagger, Served, calls_in_flight, free_port, refused, until
from tests.leaks import TEXT

GET, BATCH = tags_pb2.GetProductTagsRequest, tags_pb2.BatchGetProductTagsRequest
SUGGEST = tags_pb2.SuggestTagsRequest


@pytest.fixture(scope="module")
def limits() -> dict[str, object]:
    return {"max_concurrent": 8, "max_ids_in_progress": 1_000, "suggest_queue_tokens": 600}


def later(served: Served, method: str, request: object, timeout: float | None = 10) -> grpc.Future:
    return getattr(served.tags, method).future(request, timeout=timeout)


def counted(method: str, code: str) -> float:
    return metrics.SERVER.get_sample_value("hangtag_calls_total", {"method": method, "code": code}) or 0


@pytest.mark.parametrize(
    ("method", "request_message", "code", "reason", "part"),
    [
        ("GetProductTags", GET(), Code.INVALID_ARGUMENT, "INVALID_REQUEST", "product_id is empty"),
        ("GetProductTags", GET(product_id="x" * 257), Code.INVALID_ARGUMENT, "INVALID_REQUEST", "257 bytes"),
        ("GetProductTags", GET(product_id="p", min_version=-1), Code.INVALID_ARGUMENT, "INVALID_REQUEST", "-1"),
        ("GetProductTags", GET(product_id="never ü"), Code.NOT_FOUND, "PRODUCT_UNKNOWN", "'never ü'"),
        ("BatchGetProductTags", BATCH(), Code.INVALID_ARGUMENT, "INVALID_REQUEST", "send at least one id"),
        ("BatchGetProductTags", BATCH(product_ids=["p"] * 1_001), Code.INVALID_ARGUMENT, "INVALID_REQUEST", "1001"),
        ("SuggestTags", SUGGEST(), Code.INVALID_ARGUMENT, "INVALID_REQUEST", "no visible text"),
        ("SuggestTags", SUGGEST(text="a", kind=9), Code.INVALID_ARGUMENT, "INVALID_REQUEST", "kind is 9"),
    ],
)
def test_an_error_that_the_caller_can_fix(
    served: Served, method: str, request_message: object, code: Code, reason: str, part: str
) -> None:
    before = counted(method, code.name)

    ended = outcome_of(later(served, method, request_message))

    assert (ended.code, ended.reason, ended.retry_ms) == (code, reason, None)
    assert part in ended.message
    until(lambda: counted(method, code.name) == before + 1)


@pytest.mark.parametrize("method", ["GetProductTags", "BatchGetProductTags"])
def test_a_store_that_is_away(served: Served, store_port: Forwarder, method: str) -> None:
    """A product that this server has not read yet, or it would answer with what it remembers."""
    request = GET(product_id="unread 1") if method == "GetProductTags" else BATCH(product_ids=["unread 2"] * 3)
    with away(store_port):
        ended = outcome_of(later(served, method, request))

    assert (ended.code, ended.reason) == (Code.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert ended.retry_ms
    assert "retry with back-off" in ended.message
    assert str(store_port.port) not in ended.message

    until(lambda: later(served, method, request).code() in (Code.OK, Code.NOT_FOUND))


def test_what_the_server_remembers_while_the_store_is_away(
    served: Served, store: RedisTagStore, store_port: Forwarder
) -> None:
    store.write([Entry("known", 3, tags_pb2.ProductTags(product_id="known", version=3).SerializeToString())])
    known = served.get("known")
    assert known.freshness == tags_pb2.FRESHNESS_FRESH

    with away(store_port):
        found = [served.get("known"), *served.batch(["known"])]

    for product in found:
        assert (product.version, product.as_of) == (3, known.as_of)
        assert product.freshness == tags_pb2.FRESHNESS_STALE
        assert product.freshness_reason == tags_pb2.FRESHNESS_REASON_STORE_UNAVAILABLE
    until(lambda: served.get("known").freshness == tags_pb2.FRESHNESS_FRESH)


def test_too_many_calls_at_a_time(served: Served, store_port: Forwarder) -> None:
    before = refused("GetProductTags")
    store_port.stall()
    waiting = [later(served, "GetProductTags", GET(product_id=f"never {i}")) for i in range(8)]
    until(lambda: calls_in_flight() == 8)

    ended = outcome_of(later(served, "GetProductTags", GET(product_id="one more")))
    store_port.flow()

    assert (ended.code, ended.reason) == (Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
    assert ended.retry_ms
    assert refused("GetProductTags") == before + 1
    assert {call.code() for call in waiting} == {Code.NOT_FOUND}


def test_too_many_ids_at_a_time_in_large_calls_only(served: Served, store_port: Forwarder) -> None:
    before = refused("BatchGetProductTags")
    large = BATCH(product_ids=[f"never {i}" for i in range(600)])
    store_port.stall()
    waiting = later(served, "BatchGetProductTags", large)
    until(lambda: calls_in_flight() == 1)

    ended = outcome_of(later(served, "BatchGetProductTags", large))
    small = later(served, "BatchGetProductTags", BATCH(product_ids=["p"] * 100))
    until(lambda: calls_in_flight() == 2)
    store_port.flow()

    assert (ended.code, ended.reason) == (Code.RESOURCE_EXHAUSTED, "TOO_MANY_IDS")
    assert ended.retry_ms
    assert refused("BatchGetProductTags") == before + 1
    assert len(waiting.result().products) == 600
    assert len(small.result().products) == 100


def test_too_many_tokens_of_texts_at_a_time(served: Served, tagger: FakeTagger) -> None:
    before = refused("SuggestTags")
    with held(tagger):
        waiting = later(served, "SuggestTags", SUGGEST(text="long " * 200))
        until(lambda: calls_in_flight() == 1)

        ended = outcome_of(later(served, "SuggestTags", SUGGEST(text="also " * 200)))

    assert (ended.code, ended.reason) == (Code.RESOURCE_EXHAUSTED, "TOO_MANY_TEXTS")
    assert ended.retry_ms
    assert refused("SuggestTags") == before + 1
    assert waiting.result().tags[0].value == "200"


def test_a_text_on_which_the_model_fails(served: Served, tagger: FakeTagger, monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(tokens: list[object], **options: bool) -> object:
        if any(len(each) == 13 for each in tokens):
            raise ValueError(TEXT)
        return FakeTagger.forward(tagger, tokens, **options)

    monkeypatch.setattr(tagger, "forward", forward)

    ended = outcome_of(later(served, "SuggestTags", SUGGEST(text="word " * 12 + TEXT)))

    assert (ended.code, ended.reason, ended.retry_ms) == (Code.INTERNAL, "TEXT_NOT_TAGGED", None)
    assert TEXT not in ended.message
    assert served.suggest("two words").tags[0].value == "2"


@contextmanager
def held(tagger: FakeTagger) -> Iterator[None]:
    """The engine computes nothing until the end of the block."""
    tagger.gate.clear()
    try:
        yield
    finally:
        tagger.gate.set()


@contextmanager
def away(store_port: Forwarder) -> Iterator[None]:
    """The store cannot be reached until the end of the block."""
    target = store_port.target
    store_port.target = free_port()
    store_port.cut()
    try:
        yield
    finally:
        store_port.target = target
