"""Calls to a server on a real port with a real Valkey, by a real client."""

import asyncio
import time

import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from hangtag.settings import RedisSettings
from hangtag.store import Arrival, Entry, RedisTagStore
from hangtag.telemetry import metrics
from hangtag.v1 import tags_pb2
from tests.integration.server.parts import (
    BUNDLE,
    SERVING,
    Code,
    FakeTagger,
    Served,
    calls_in_flight,
    fails_with,
    serving,
    settings_for,
    until,
)


def tags_of(product: str, version: int) -> tags_pb2.ProductTags:
    tag = tags_pb2.Tag(
        facet="color", value="navy", confidence=0.5, source=tags_pb2.SOURCE_MODEL, band=tags_pb2.BAND_AUTO
    )
    return tags_pb2.ProductTags(product_id=product, version=version, tags=[tag] * 3, bundle_version=BUNDLE)


def entry(product: str, version: int) -> Entry:
    return Entry(product, version, tags_of(product, version).SerializeToString())


def calls_of(method: str, code: str) -> float:
    return metrics.CALLS.labels(method, code)._value.get()


def stored_part(product: tags_pb2.GetProductTagsResponse) -> tags_pb2.ProductTags:
    stored = tags_pb2.ProductTags.FromString(product.SerializeToString())
    stored.DiscardUnknownFields()
    return stored


def without_as_of(product: tags_pb2.GetProductTagsResponse) -> tags_pb2.GetProductTagsResponse:
    assert product.HasField("as_of")
    product.ClearField("as_of")
    return product


def test_every_state_of_freshness(served: Served, store: RedisTagStore) -> None:
    seen = {"fresh": 5, "stale": 6, "pending": 1, "gone": 5, "relisted": 6}
    store.mark_seen([Arrival(product, version) for product, version in seen.items()])
    store.write([entry("fresh", 5), entry("stale", 5), entry("unseen", 5)])
    store.write([Entry.deletion(product, 5) for product in ("gone", "relisted")])
    expected = {
        "fresh": tags_pb2.FRESHNESS_FRESH,
        "unseen": tags_pb2.FRESHNESS_FRESH,
        "stale": tags_pb2.FRESHNESS_STALE,
        "pending": tags_pb2.FRESHNESS_PENDING,
        "relisted": tags_pb2.FRESHNESS_PENDING,
        "gone": tags_pb2.FRESHNESS_UNKNOWN,
        "never": tags_pb2.FRESHNESS_UNKNOWN,
    }

    products = served.batch(list(expected))

    assert {product.product_id: product.freshness for product in products} == expected
    for product in products:
        if product.freshness == tags_pb2.FRESHNESS_UNKNOWN:
            with fails_with(Code.NOT_FOUND, repr(product.product_id), "never received or is deleted"):
                served.get(product.product_id)
        else:
            assert without_as_of(served.get(product.product_id)) == without_as_of(product)
        has_tags = product.freshness in (tags_pb2.FRESHNESS_FRESH, tags_pb2.FRESHNESS_STALE)
        stored = tags_of(product.product_id, 5) if has_tags else tags_pb2.ProductTags(product_id=product.product_id)
        assert stored_part(product) == stored


def test_as_of_is_the_time_of_the_read(served: Served, store: RedisTagStore) -> None:
    store.write([entry("p", 1)])
    store.mark_seen([Arrival("q", 1)])
    before = time.time_ns() // 1_000_000

    products = [*served.batch(["p", "q", "never"]), served.get("p"), served.get("q")]

    times = [product.as_of.ToMilliseconds() for product in products]
    assert len(set(times[:3])) == 1
    assert before <= min(times) <= max(times) <= time.time_ns() // 1_000_000


def test_fields_that_the_server_does_not_know_are_passed_on(served: Served, store: RedisTagStore) -> None:
    """A field that a newer worker stores reaches newer clients through an older server."""
    new_field = b"\x42\x03new"  # number 8, a string
    store.write([Entry("p", 1, tags_of("p", 1).SerializeToString() + new_field)])

    product = served.get("p")

    assert new_field in product.SerializeToString()
    assert (product.freshness, product.version) == (tags_pb2.FRESHNESS_FRESH, 1)


def test_min_version_makes_stale(served: Served, store: RedisTagStore) -> None:
    store.write([entry("p", 2**53 + 1)])

    assert served.get("p", 2**53 + 1).freshness == tags_pb2.FRESHNESS_FRESH
    assert served.get("p", 2**53 + 2).freshness == tags_pb2.FRESHNESS_STALE


def test_batch_keeps_the_order_and_repeated_ids(served: Served, store: RedisTagStore) -> None:
    store.write([entry(f"p{i}", i) for i in range(50)])
    ids = [f"p{i * 7 % 60}" for i in range(100)]

    products = served.batch(ids)

    assert [product.product_id for product in products] == ids
    assert [product.version for product in products] == [v if (v := i * 7 % 60) < 50 else 0 for i in range(100)]


def test_largest_batch_of_largest_ids(served: Served, store: RedisTagStore) -> None:
    ids = [f"{i:04}{'ü' * 126}" for i in range(1_000)]
    store.write([entry(product, 1) for product in ids])

    assert [product.freshness for product in served.batch(ids)] == [tags_pb2.FRESHNESS_FRESH] * 1_000


def test_bad_requests_name_the_field(served: Served) -> None:
    with fails_with(Code.INVALID_ARGUMENT, "product_id is empty"):
        served.get("")
    with fails_with(Code.INVALID_ARGUMENT, "product_id has 258 bytes", "256"):
        served.get("ü" * 129)
    with fails_with(Code.INVALID_ARGUMENT, "min_version is -1"):
        served.get("p", -1)
    with fails_with(Code.INVALID_ARGUMENT, "product_ids is empty"):
        served.batch([])
    with fails_with(Code.INVALID_ARGUMENT, "product_ids has 1001 ids", "1000"):
        served.batch(["p"] * 1_001)
    with fails_with(Code.INVALID_ARGUMENT, "product_ids[1] is empty"):
        served.batch(["p", ""])
    with fails_with(Code.INVALID_ARGUMENT, "product_ids[2] has 257 bytes"):
        served.batch(["p", "q", "x" * 257])
    with fails_with(Code.INVALID_ARGUMENT, "text has 10001 characters"):
        served.suggest("x" * 10_001)
    with fails_with(Code.INVALID_ARGUMENT, "description has 10001 characters"):
        served.suggest("x", description="x" * 10_001)
    with fails_with(Code.INVALID_ARGUMENT, "merchant_category has 1001 characters"):
        served.suggest("x", merchant_category="x" * 1_001)
    with fails_with(Code.INVALID_ARGUMENT, "no visible text"):
        served.suggest(" <br> &nbsp;")
    with fails_with(Code.INVALID_ARGUMENT, "kind is 9", "TEXT_KIND_PRODUCT"):
        served.suggest("x", kind=9)


@pytest.mark.parametrize(
    ("method", "request_bytes"),
    [
        ("GetProductTags", b"\xff\xff\xff\xff"),
        ("GetProductTags", b"\x0a\x02\xff\xfe"),
        ("BatchGetProductTags", b"\x0a\x02\xff\xfe"),
        ("SuggestTags", b"\x0a\x02\xff\xfe"),
    ],
)
def test_a_request_that_is_no_message_or_not_utf8_is_invalid(served: Served, method: str, request_bytes: bytes) -> None:
    before = calls_of(method, "INVALID_ARGUMENT")
    with fails_with(Code.INVALID_ARGUMENT, f"not a hangtag.v1.{method}Request message", "UTF-8"):
        served.raw(method, request_bytes)
    # The client gets the status before the call is counted.
    until(lambda: calls_of(method, "INVALID_ARGUMENT") == before + 1)


def test_a_request_that_is_too_large_is_invalid_and_counted(served: Served) -> None:
    """Not RESOURCE_EXHAUSTED, for which clients retry."""
    before = calls_of("SuggestTags", "INVALID_ARGUMENT")
    with fails_with(Code.INVALID_ARGUMENT, "5000005 bytes", "1048576"):
        served.suggest("x" * 5_000_000)
    until(lambda: calls_of("SuggestTags", "INVALID_ARGUMENT") == before + 1)


def test_metadata_of_32_kib_is_accepted(served: Served) -> None:
    request = tags_pb2.GetProductTagsRequest(product_id="never")
    with fails_with(Code.NOT_FOUND):
        served.tags.GetProductTags(request, timeout=5, metadata=[("token", "x" * 32_000)])


def test_a_suggestion_has_tags_review_and_bundle(served: Served) -> None:
    reply = served.suggest("a red <b>dress</b>", description="for the summer", merchant_category="women")

    assert reply.bundle_version == BUNDLE
    assert list(reply.tags) == [
        tags_pb2.Tag(facet="words", value="8", confidence=0.75, source=tags_pb2.SOURCE_MODEL, band=tags_pb2.BAND_AUTO)
    ]
    assert list(reply.review) == [
        tags_pb2.Tag(facet="mood", value="a:b", confidence=0.25, source=tags_pb2.SOURCE_RULE, band=tags_pb2.BAND_REVIEW)
    ]


PRODUCT, QUERY = tags_pb2.TEXT_KIND_PRODUCT, tags_pb2.TEXT_KIND_QUERY


@pytest.mark.parametrize(
    ("request_fields", "kind"),
    [
        ({}, QUERY),
        ({"description": "for the summer"}, PRODUCT),
        ({"merchant_category": "women"}, PRODUCT),
        ({"kind": PRODUCT}, PRODUCT),
        ({"kind": QUERY}, QUERY),
        ({"kind": QUERY, "description": "for the summer"}, QUERY),
    ],
)
def test_a_suggestion_states_the_kind_of_text(served: Served, request_fields: dict[str, object], kind: int) -> None:
    assert served.suggest("a red dress", **request_fields).kind == kind


def test_a_suggestion_past_its_deadline_is_not_computed(served: Served, tagger: FakeTagger) -> None:
    tagger.gate.clear()
    first = served.suggest_later("one")
    until(lambda: tagger.batches)
    late = [served.suggest_later("one two", timeout=0.2) for _ in range(3)]
    assert {call.code() for call in late} == {Code.DEADLINE_EXCEEDED}
    time.sleep(0.2)
    last = served.suggest_later("one two three")
    time.sleep(0.2)
    tagger.gate.set()

    assert first.result().tags[0].value == "1"
    assert last.result().tags[0].value == "3"
    assert tagger.batches == [1, 1]


def test_a_full_server_rejects_calls_but_still_reports_health(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger
) -> None:
    with serving(loop, settings_for(redis_settings, max_concurrent=2), tagger) as served:
        tagger.gate.clear()
        running = [served.suggest_later("one") for _ in range(2)]
        until(lambda: calls_in_flight() == 2)
        with fails_with(Code.RESOURCE_EXHAUSTED, "retry with back-off"):
            served.batch(["p"])
        assert served.health() == SERVING
        tagger.gate.set()
        assert [call.result().tags[0].value for call in running] == ["1", "1"]
        assert len(served.batch(["p"])) == 1


def test_health_and_reflection_answer(served: Served) -> None:
    assert served.health() == SERVING
    assert served.health("hangtag.v1.TagService") == SERVING
    with fails_with(Code.NOT_FOUND):
        served.health("hangtag.v2.TagService")

    known = ProtoReflectionDescriptorDatabase(served.channel)
    assert {"hangtag.v1.TagService", "grpc.health.v1.Health"} <= set(known.get_services())
    service = DescriptorPool(known).FindServiceByName("hangtag.v1.TagService")
    assert [method.name for method in service.methods] == [
        "GetProductTags",
        "BatchGetProductTags",
        "SuggestTags",
        "BatchSuggestTags",
        "FindProducts",
        "ListTags",
        "Clarify",
        "SimilarProducts",
        "TagProfile",
    ]
