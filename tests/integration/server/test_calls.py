"""Calls to the server on a real port over a real Valkey, by a real client."""

import asyncio
import time

from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from hangtag.settings import RedisSettings
from hangtag.store import Entry, RedisTagStore
from hangtag.v1 import tags_pb2
from tests.integration.server.parts import (
    BUNDLE,
    SERVING,
    Code,
    FakeTagger,
    Served,
    refused,
    serving,
    settings_for,
    until,
)


def tags_of(product: str, version: int) -> tags_pb2.ProductTags:
    tag = tags_pb2.Tag(facet="color", value="navy", confidence=0.5, source=tags_pb2.MODEL, band=tags_pb2.AUTO)
    return tags_pb2.ProductTags(product_id=product, version=version, tags=[tag] * 3, bundle_version=BUNDLE)


def entry(product: str, version: int) -> Entry:
    return Entry(product, version, BUNDLE, tags_of(product, version).SerializeToString())


def test_every_state_of_freshness(served: Served, store: RedisTagStore) -> None:
    store.mark_seen([("fresh", 5), ("stale", 6), ("pending", 1), ("gone", 5), ("relisted", 6)])
    store.write([entry("fresh", 5), entry("stale", 5), entry("unseen", 5)])
    store.write([Entry(product, 5, "", b"") for product in ("gone", "relisted")])
    expected = {
        "fresh": tags_pb2.FRESH,
        "unseen": tags_pb2.FRESH,
        "stale": tags_pb2.STALE,
        "pending": tags_pb2.PENDING,
        "relisted": tags_pb2.PENDING,
        "gone": tags_pb2.UNKNOWN,
        "never": tags_pb2.UNKNOWN,
    }

    lookups = served.batch(list(expected))

    assert {lookup.product_id: lookup.freshness for lookup in lookups} == expected
    for lookup in lookups:
        has_tags = lookup.freshness in (tags_pb2.FRESH, tags_pb2.STALE)
        assert lookup.HasField("tags") is has_tags
        assert not has_tags or lookup.tags == tags_of(lookup.product_id, 5)
        if lookup.freshness == tags_pb2.UNKNOWN:
            with refused(Code.NOT_FOUND, repr(lookup.product_id), "never seen, or is deleted"):
                served.get(lookup.product_id)
        else:
            assert served.get(lookup.product_id) == lookup


def test_min_version_makes_stale(served: Served, store: RedisTagStore) -> None:
    store.write([entry("p", 2**53 + 1)])

    assert served.get("p", 2**53 + 1).freshness == tags_pb2.FRESH
    assert served.get("p", 2**53 + 2).freshness == tags_pb2.STALE


def test_batch_keeps_order_and_repeats(served: Served, store: RedisTagStore) -> None:
    store.write([entry(f"p{i}", i) for i in range(50)])
    ids = [f"p{i * 7 % 60}" for i in range(100)]

    lookups = served.batch(ids)

    assert [lookup.product_id for lookup in lookups] == ids
    assert [lookup.tags.version for lookup in lookups] == [v if (v := i * 7 % 60) < 50 else 0 for i in range(100)]


def test_largest_batch_of_largest_ids(served: Served, store: RedisTagStore) -> None:
    ids = [f"{i:04}{'ü' * 126}" for i in range(1_000)]
    store.write([entry(product, 1) for product in ids])

    assert [lookup.freshness for lookup in served.batch(ids)] == [tags_pb2.FRESH] * 1_000


def test_bad_requests_name_the_field(served: Served) -> None:
    with refused(Code.INVALID_ARGUMENT, "product_id is empty"):
        served.get("")
    with refused(Code.INVALID_ARGUMENT, "product_id has 258 bytes", "256"):
        served.get("ü" * 129)
    with refused(Code.INVALID_ARGUMENT, "min_version is -1"):
        served.get("p", -1)
    with refused(Code.INVALID_ARGUMENT, "product_ids is empty"):
        served.batch([])
    with refused(Code.INVALID_ARGUMENT, "product_ids has 1001 ids", "1000"):
        served.batch(["p"] * 1_001)
    with refused(Code.INVALID_ARGUMENT, "product_ids[1] is empty"):
        served.batch(["p", ""])
    with refused(Code.INVALID_ARGUMENT, "product_ids[2] has 257 bytes"):
        served.batch(["p", "q", "x" * 257])
    with refused(Code.INVALID_ARGUMENT, "text has 10001 characters"):
        served.suggest("x" * 10_001)
    with refused(Code.INVALID_ARGUMENT, "description has 10001 characters"):
        served.suggest("x", description="x" * 10_001)
    with refused(Code.INVALID_ARGUMENT, "merchant_category has 1001 characters"):
        served.suggest("x", merchant_category="x" * 1_001)
    with refused(Code.INVALID_ARGUMENT, "all empty"):
        served.suggest(" <br> &nbsp;")


def test_suggestion_carries_tags_review_and_bundle(served: Served) -> None:
    reply = served.suggest("a red <b>dress</b>", description="for the summer", merchant_category="women")

    assert reply.bundle_version == BUNDLE
    assert list(reply.tags) == [
        tags_pb2.Tag(facet="words", value="8", confidence=0.75, source=tags_pb2.MODEL, band=tags_pb2.AUTO)
    ]
    assert list(reply.review) == [
        tags_pb2.Tag(facet="mood", value="a:b", confidence=0.25, source=tags_pb2.RULE, band=tags_pb2.REVIEW)
    ]


def test_suggestion_past_its_deadline_is_not_worked_for(served: Served, tagger: FakeTagger) -> None:
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


def test_full_server_refuses_calls_and_still_tells_its_health(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger
) -> None:
    with serving(loop, settings_for(redis_settings, max_concurrent=2), tagger) as served:
        tagger.gate.clear()
        under_way = [served.suggest_later("one") for _ in range(2)]
        until(lambda: tagger.batches)
        time.sleep(0.1)
        with refused(Code.RESOURCE_EXHAUSTED, "try again with back-off"):
            served.batch(["p"])
        assert served.health() == SERVING
        tagger.gate.set()
        assert [call.result().tags[0].value for call in under_way] == ["1", "1"]
        assert len(served.batch(["p"])) == 1


def test_health_and_reflection_answer(served: Served) -> None:
    assert served.health() == SERVING
    assert served.health("hangtag.v1.TagService") == SERVING
    with refused(Code.NOT_FOUND):
        served.health("hangtag.v2.TagService")

    known = ProtoReflectionDescriptorDatabase(served.channel)
    assert {"hangtag.v1.TagService", "grpc.health.v1.Health"} <= set(known.get_services())
    service = DescriptorPool(known).FindServiceByName("hangtag.v1.TagService")
    assert [method.name for method in service.methods] == ["GetProductTags", "BatchGetProductTags", "SuggestTags"]
