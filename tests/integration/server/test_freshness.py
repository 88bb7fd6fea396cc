"""What a running server says about freshness, with a real store and real brokers, and while one of them is away."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import grpc
import orjson
import pytest
from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.cli.local import create_topics, start_broker
from hangtag.server import waits
from hangtag.settings import KafkaSettings, RedisSettings
from hangtag.store import Arrival, Entry, RedisTagStore
from hangtag.telemetry import metrics
from hangtag.v1 import tags_pb2
from hangtag.write import KafkaSink
from tests.forwarder import forwarding
from tests.integration.server.parts import (
    NOT_SERVING,
    SERVING,
    Code,
    FakeTagger,
    Served,
    fails_with,
    free_port,
    serving,
    settings_for,
    until,
)

FRESH, STALE = tags_pb2.FRESHNESS_FRESH, tags_pb2.FRESHNESS_STALE
PENDING = tags_pb2.FRESHNESS_PENDING
ON_TANSU = pytest.mark.parametrize("broker", ["tansu"], indirect=True)


def entry(product: str, version: int) -> Entry:
    return Entry(product, version, tags_pb2.ProductTags(product_id=product, version=version).SerializeToString())


def waiting(served: Served, product: str, version: int, timeout_s: float = 20) -> grpc.Future:
    request = tags_pb2.GetProductTagsRequest(product_id=product, wait_for_version=version)
    call: grpc.Future = served.tags.GetProductTags.future(request, timeout=timeout_s)
    return call


def of_server(name: str) -> float:
    return metrics.SERVER.get_sample_value(name) or 0.0


@contextmanager
def following(
    loop: asyncio.AbstractEventLoop, redis: RedisSettings, kafka: KafkaSettings, tagger: FakeTagger, **server: object
) -> Iterator[Served]:
    settings = settings_for(redis, follow=True, **server).model_copy(update={"kafka": kafka})
    with serving(loop, settings, tagger) as served:
        yield served


def write(store: RedisTagStore, sink: KafkaSink, *entries: Entry) -> None:
    """As a worker does."""
    store.write(entries)
    for each in entries:
        sink.tagged(each)
    sink.flush()


def test_a_record_of_products_tagged_ends_the_wait(
    loop: asyncio.AbstractEventLoop,
    redis_settings: RedisSettings,
    store: RedisTagStore,
    topics: KafkaSettings,
    tagger: FakeTagger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Only the record can end it.
    monkeypatch.setattr(waits, "_LOOK_EVERY_S", 1_000)
    with closing(KafkaSink(topics)) as sink, following(loop, redis_settings, topics, tagger) as served:
        until(lambda: of_server("hangtag_follower_up"))
        write(store, sink, entry("p", 1))
        calls = [waiting(served, "p", version) for version in (1, 2, 3)]
        assert calls[0].result().version == 1
        until(lambda: of_server("hangtag_waiting_lookups") == 2)

        write(store, sink, entry("q", 9), entry("p", 2))

        reply = calls[1].result()
        assert (reply.version, reply.freshness) == (2, FRESH)
        assert not calls[2].done()
        store.write([Entry.deletion("p", 3)])
        sink.tagged(Entry.deletion("p", 3))
        sink.flush()
        until(calls[2].done)
        assert calls[2].code() is Code.NOT_FOUND
        until(lambda: of_server("hangtag_follower_lag_records") == 0)


@ON_TANSU
def test_a_cached_product_is_never_older_than_what_was_read_of_products_tagged(
    loop: asyncio.AbstractEventLoop,
    redis_settings: RedisSettings,
    store: RedisTagStore,
    topics: KafkaSettings,
    tagger: FakeTagger,
) -> None:
    server = {"cache_ttl_ms": 60_000}
    with closing(KafkaSink(topics)) as sink, following(loop, redis_settings, topics, tagger, **server) as served:
        until(lambda: of_server("hangtag_follower_up"))
        write(store, sink, entry("p", 1))
        first = served.get("p")
        store.write([entry("p", 2)])
        again = served.get("p")
        # It is what was read first, and says so.
        assert (again.version, again.freshness, again.as_of) == (1, FRESH, first.as_of)
        assert served.get("p", min_version=1).version == 2

        write(store, sink, entry("p", 3))
        until(lambda: served.get("p").version == 3)


def test_a_look_up_with_a_min_version_asks_the_store_whatever_is_cached(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, store: RedisTagStore, tagger: FakeTagger
) -> None:
    store.write([entry("p", 1), entry("q", 1)])
    with serving(loop, settings_for(redis_settings, cache_ttl_ms=60_000), tagger) as served:
        assert [each.version for each in served.batch(["p", "q"])] == [1, 1]
        store.write([entry("p", 2), entry("q", 2)])
        request = tags_pb2.BatchGetProductTagsRequest(product_ids=["p", "q"], min_versions=[0, 3])
        p, q = served.tags.BatchGetProductTags(request, timeout=5).products

        assert (p.version, p.freshness) == (1, FRESH)
        assert (q.version, q.freshness) == (2, STALE)
        assert q.freshness_reason == tags_pb2.FRESHNESS_REASON_VERSION_NOT_RECEIVED
        assert p.as_of.ToMilliseconds() < q.as_of.ToMilliseconds()


def test_a_refused_version_ends_the_wait_without_a_record(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, store: RedisTagStore, tagger: FakeTagger
) -> None:
    store.write([entry("p", 1)])
    with serving(loop, settings_for(redis_settings), tagger) as served:
        call = waiting(served, "p", 2)
        until(lambda: of_server("hangtag_waiting_lookups") == 1)
        store.mark_refused([Arrival("p", 2)])

        reply = call.result()
        assert (reply.version, reply.freshness, reply.known_version) == (1, STALE, 2)
        assert reply.freshness_reason == tags_pb2.FRESHNESS_REASON_VERSION_REFUSED


def test_a_wait_ends_before_the_deadline_with_what_there_is(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, store: RedisTagStore, tagger: FakeTagger
) -> None:
    store.write([entry("p", 1)])
    with serving(loop, settings_for(redis_settings, wait_limit_s=1), tagger) as served:
        calls = [waiting(served, "p", 2, timeout_s) for timeout_s in (1, 300)]

        assert [(each.result().version, each.result().freshness) for each in calls] == [(1, STALE)] * 2


def test_the_command_line_waits_for_a_version(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, store: RedisTagStore, tagger: FakeTagger
) -> None:
    store.write([entry("p", 1)])
    with serving(loop, settings_for(redis_settings), tagger) as served:
        options = ["--server", f"127.0.0.1:{served.port}", "--timeout", "1", "--json"]
        late = CliRunner().invoke(app, ["tags", "p", "--wait", "2", *options])
        store.write([entry("p", 2)])
        there = CliRunner().invoke(app, ["tags", "p", "--wait", "2", *options])
        two = CliRunner().invoke(app, ["tags", "p", "q", "--wait", "2", *options])

    (first,), (second,) = orjson.loads(late.stdout), orjson.loads(there.stdout)
    assert (first["version"], first["freshness"]) == ("1", "FRESHNESS_STALE")
    assert (second["version"], second["freshness"]) == ("2", "FRESHNESS_FRESH")
    assert two.exit_code == 2
    assert "give one id" in two.output


def test_a_cancelled_wait_is_forgotten(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger
) -> None:
    with serving(loop, settings_for(redis_settings), tagger) as served:
        call = waiting(served, "p", 2)
        until(lambda: of_server("hangtag_waiting_lookups") == 1)
        call.cancel()
        until(lambda: of_server("hangtag_waiting_lookups") == 0)


def test_a_server_that_stops_answers_those_that_wait(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, store: RedisTagStore, tagger: FakeTagger
) -> None:
    store.write([entry("p", 1)])
    with serving(loop, settings_for(redis_settings, drain_s=0.5), tagger) as served:
        call = waiting(served, "p", 2)
        until(lambda: of_server("hangtag_waiting_lookups") == 1)
        served.stop()

        assert call.result().version == 1


def test_the_server_starts_without_kafka_and_follows_once_it_is_there(
    loop: asyncio.AbstractEventLoop,
    redis_settings: RedisSettings,
    store: RedisTagStore,
    tagger: FakeTagger,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    store.write([entry("p", 1)])
    with forwarding(free_port()) as forwarder:
        kafka = KafkaSettings(bootstrap=f"127.0.0.1:{forwarder.port}")
        with following(loop, redis_settings, kafka, tagger) as served:
            until(lambda: "cannot follow" in capfd.readouterr().out)
            assert served.health() == SERVING
            assert served.get("p").version == 1
            # Without records, waiting look-ups are looked up now and then.
            call = waiting(served, "p", 2)
            store.write([entry("p", 2)])
            assert call.result().version == 2
            assert of_server("hangtag_follower_up") == 0

            with start_broker("tansu", tmp_path, None) as broker:
                create_topics(KafkaSettings(bootstrap=broker.url))
                forwarder.target = int(broker.url.rpartition(":")[2])
                until(lambda: of_server("hangtag_follower_up"), 20)
            out = capfd.readouterr().out
            assert "cannot follow" not in out
            assert "follows" in out


def test_while_the_store_stalls_answers_come_from_the_cache_or_fail_at_once(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, store: RedisTagStore, tagger: FakeTagger
) -> None:
    store.write([entry("p", 1)])
    url, _, database = redis_settings.url.get_secret_value().rpartition("/")
    with forwarding(int(url.rpartition(":")[2])) as forwarder:
        slow = RedisSettings(url=f"redis://127.0.0.1:{forwarder.port}/{database}", timeout_ms=500)
        with serving(loop, settings_for(slow), tagger) as served:
            before = served.get("p")
            forwarder.stall()
            until(lambda: served.health() == NOT_SERVING)

            reads = of_server("hangtag_store_seconds_count")
            for _ in range(20):
                reply = served.get("p")
                assert (reply.version, reply.freshness, reply.as_of) == (1, STALE, before.as_of)
                assert reply.freshness_reason == tags_pb2.FRESHNESS_REASON_STORE_UNAVAILABLE
                with fails_with(Code.UNAVAILABLE, "the tag store cannot be read"):
                    served.get("q")
                with fails_with(Code.UNAVAILABLE, "the tag store cannot be read"):
                    served.get("p", min_version=1)
            # None of these 60 calls asked the store, which would have taken until its timeout.
            assert of_server("hangtag_store_seconds_count") == reads

            forwarder.flow()
            until(lambda: served.get("p").freshness == FRESH)
            until(lambda: served.health() == SERVING)


def test_deadlines_hold_while_the_store_stalls(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger
) -> None:
    url, _, database = redis_settings.url.get_secret_value().rpartition("/")
    with forwarding(int(url.rpartition(":")[2])) as forwarder:
        slow = RedisSettings(url=f"redis://127.0.0.1:{forwarder.port}/{database}", timeout_ms=5_000)
        with serving(loop, settings_for(slow), tagger) as served:
            served.batch(["p"])
            forwarder.stall()
            request = tags_pb2.GetProductTagsRequest(product_id="p")
            calls = [served.tags.GetProductTags.future(request, timeout=0.15) for _ in range(50)]

            assert {call.code() for call in calls} == {Code.DEADLINE_EXCEEDED}
            # Suggestions are not held up by look-ups that wait for the store.
            assert served.suggest("one").tags[0].value == "1"
            forwarder.flow()
