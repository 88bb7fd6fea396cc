"""The index process with real brokers: it reads the topic, follows it, and starts again from its snapshot."""

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import orjson
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kafka import KafkaAdminClient, KafkaProducer

from hangtag.cli.index import repairing as repairing_module
from hangtag.cli.index.checking import Checking, open_checking
from hangtag.cli.index.repairing import Repairing
from hangtag.cli.local import create_topics
from hangtag.index import Change, Index
from hangtag.index.snapshot import Place, read_snapshot, write_snapshot
from hangtag.kafka.tagged_topic import topic_id
from hangtag.models import Pointer, PointerRecord
from hangtag.server.index.program import IndexBound, serve_index
from hangtag.server.methods import SERVICE
from hangtag.settings import IndexSettings, KafkaSettings, ModelsSettings, RedisSettings, Settings
from hangtag.store import Entry, RedisTagStore
from hangtag.v1 import tags_pb2, tags_pb2_grpc
from hangtag.write import record_of
from tests.integration.test_worker import until
from tests.unit.index.making import entry

# On a busy machine a broker takes its time.
pytestmark = pytest.mark.timeout(120)
TANSU = pytest.mark.parametrize("broker", ["tansu"], indirect=True)
# Tansu says too late where a topic ends, so that what follows a snapshot is read from the beginning.
APACHE = pytest.mark.parametrize("broker", [pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)
RED = {"color:red": 0.9, "class:boots": 0.8}
NAVY = {"color:navy": 0.9}


@pytest.fixture
def settings(topics: KafkaSettings, tmp_path: Path) -> Settings:
    index = IndexSettings(port=0, metrics_port=0, snapshot_dir=tmp_path, grace_s=1)
    return Settings(kafka=topics, index=index)


def produce(settings: Settings, *entries: Entry, partition: int | None = None) -> None:
    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap, compression_type="gzip")
    for each in entries:
        key, value, headers = record_of(each)
        producer.send(settings.kafka.tagged_topic, key=key, value=value, headers=headers, partition=partition)
    producer.flush(10)
    producer.close()


class Served:
    """A running index and what asks it."""

    def __init__(self, bound: IndexBound) -> None:
        self.bound = bound
        self.channel = grpc.insecure_channel(f"127.0.0.1:{bound.port}")
        self.stub = tags_pb2_grpc.TagServiceStub(self.channel)

    def find(self, *names: str) -> tags_pb2.FindProductsResponse:
        parts = (name.split(":") for name in names)
        query = tags_pb2.TagQuery(all_of=[tags_pb2.TagName(facet=facet, value=value) for facet, value in parts])
        request = tags_pb2.FindProductsRequest(query=query, page_size=100, count_facets=["*"])
        return self.stub.FindProducts(request, timeout=10)

    def ids(self, *names: str) -> set[str]:
        """The products with these tags; none while the topic is being read."""
        if self.health() != health_pb2.HealthCheckResponse.SERVING:
            return set()
        return {each.product_id for each in self.find(*names).products}

    def health(self) -> int:
        return health_pb2_grpc.HealthStub(self.channel).Check(health_pb2.HealthCheckRequest(service=SERVICE)).status

    def page(self, path: str, method: str = "GET") -> dict:
        request = urllib.request.Request(f"http://127.0.0.1:{self.bound.metrics_port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return orjson.loads(answer.read())


@contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    """The index, on a thread; it ends as SIGTERM ends it."""
    stop, ready, bound, errors = threading.Event(), threading.Event(), [], []

    def run() -> None:
        try:
            serve_index(settings, stop, lambda found: (bound.append(found), ready.set()))
        except Exception as error:  # noqa: BLE001 (raised by the test)
            errors.append(error)
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(60)
        if errors:
            raise errors[0]
        served = Served(bound[0])
        try:
            yield served
        finally:
            served.channel.close()
    finally:
        stop.set()
        thread.join(60)
    if errors:
        raise errors[0]
    assert not thread.is_alive()


def test_it_reads_the_topic_follows_it_and_goes_on_from_its_snapshot(settings):
    produce(settings, entry("a", 2, RED), entry("b", 1, RED), entry("c", 1, NAVY), Entry.deletion("d", 3))
    produce(settings, entry("a", 1, NAVY), entry("d", 2, RED))

    with serving(settings) as index:
        until(lambda: index.ids("color:red") == {"a", "b"})
        assert index.health() == health_pb2.HealthCheckResponse.SERVING
        produce(settings, entry("b", 2, NAVY), Entry.deletion("c", 2))
        until(lambda: index.ids("color:navy") == {"b"})
        reply = index.find("color:red", "class:boots")
        assert [(each.product_id, each.version, round(each.score, 3)) for each in reply.products] == [("a", 2, 1.7)]
        assert {facet.facet: [(each.value, each.products) for each in facet.values] for facet in reply.facets} == {
            "color": [("red", 1)],
            "class": [("boots", 1)],
        }
        until(lambda: index.find().index.lag_records == 0)
        state = index.find().index
        assert (state.products, len(state.offsets), sum(state.offsets)) == (2, 6, 8)

    [snapshot] = settings.index.snapshot_dir.iterdir()
    produce(settings, entry("e", 1, RED), entry("a", 1, NAVY))
    with serving(settings) as index:
        until(lambda: index.ids("color:red") == {"a", "e"})
        assert sum(index.find().index.offsets) == 10
    assert snapshot.exists()


@TANSU
def test_a_damaged_snapshot_is_ignored_and_replaced(settings):
    produce(settings, entry("a", 1, RED))
    path = settings.index.snapshot_dir / f"{settings.kafka.tagged_topic}.snapshot"
    path.write_bytes(b"HTINDEX\n" + bytes(100))

    with serving(settings) as index:
        until(lambda: index.ids("color:red") == {"a"})

    assert len(read_snapshot(path)[0].ids) == 1


@TANSU
def test_a_topic_that_was_made_again_is_read_from_its_beginning(settings):
    produce(settings, entry("a", 1, RED), entry("b", 1, RED))
    with serving(settings) as index:
        until(lambda: index.ids("color:red") == {"a", "b"})
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap)
    admin.delete_topics([settings.kafka.tagged_topic])
    admin.close()
    create_topics(settings.kafka)
    produce(settings, entry("c", 1, RED))

    with serving(settings) as index:
        until(lambda: index.ids("color:red") == {"c"})


@TANSU
def test_records_that_hangtag_did_not_write_leave_their_neighbours_alone(settings):
    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap)
    for key, value in ((b"x", b"not tags"), (None, b"x"), (b"y", None)):
        producer.send(settings.kafka.tagged_topic, key=key, value=value, partition=0)
    producer.flush(10)
    producer.close()
    # As an earlier release wrote it: without headers.
    old = entry("old", 1, RED)
    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap)
    producer.send(settings.kafka.tagged_topic, key=b"old", value=old.payload, partition=0)
    producer.flush(10)
    producer.close()
    produce(settings, entry("a", 1, RED), partition=0)

    with serving(settings) as index:
        until(lambda: index.ids("color:red") == {"a", "old"})


@TANSU
def test_errors_say_what_to_do(settings):
    with serving(settings) as index:
        until(lambda: index.health() == health_pb2.HealthCheckResponse.SERVING)
        for request, message in (
            (tags_pb2.FindProductsRequest(text="red shoes"), "text is not read here"),
            (tags_pb2.FindProductsRequest(page_size=101), "page_size is 101, it must be from 1 to 100"),
            (tags_pb2.FindProductsRequest(page_token="nonsense"), "page_token is not a next_page_token"),
        ):
            with pytest.raises(grpc.RpcError, match=message) as raised:
                index.stub.FindProducts(request)
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        malformed = index.channel.unary_unary(f"/{SERVICE}/FindProducts")
        with pytest.raises(grpc.RpcError, match="is not a serialised"):
            malformed(b"\xff")


@TANSU
def test_it_is_not_serving_while_kafka_is_away_and_the_topic_was_never_read(settings):
    away = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"bootstrap": "127.0.0.1:1"})})

    with serving(away) as index:
        assert index.health() == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.RpcError) as raised:
            index.find("color:red")
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(urllib.error.HTTPError, match="503"):
            index.page("/readyz")


@TANSU
def test_a_blocked_tag_is_not_found_until_it_is_unblocked(
    settings: Settings, redis_settings: RedisSettings, tmp_path: Path
) -> None:
    models = ModelsSettings(store=str(tmp_path / "shelf"), poll_s=0.05)
    settings = settings.model_copy(update={"redis": redis_settings, "models": models})
    produce(settings, entry("p1", auto=RED), entry("p2", auto=NAVY))

    def block(sequence: int, *tags: str) -> None:
        with PointerRecord(redis_settings) as record:
            assert record.write(Pointer("default", sequence, "a" * 64, "b" * 64, tags, sequence, sequence))

    block(1, "color:red")
    with serving(settings) as served:
        until(lambda: served.ids("color:navy") == {"p2"})
        assert served.ids("color:red") == set()
        assert served.ids("class:boots") == {"p1"}

        block(2, "class:boots")
        until(lambda: served.ids("color:red") == {"p1"})
        assert served.ids("class:boots") == set()


@APACHE
def test_check_finds_what_is_wrong_and_repair_mends_only_that(settings, redis_settings, monkeypatch):
    everything = [
        entry("a", 2, RED),
        entry("b", 1, RED),
        entry("c", 1, NAVY),
        entry("d", 1, NAVY),
        Entry.deletion("e", 2),
    ]
    store = RedisTagStore(redis_settings)
    store.write([*everything[:3], entry("d", 1, RED)])
    store.close()
    produce(settings, *everything, partition=0)
    wrong = Index()
    # Of `a` it believes something newer than there is, so that no record of the topic would correct it.
    others = (entry("a", 9, NAVY), entry("b", 1, NAVY), entry("d", 1, NAVY), entry("z", 1, RED))
    wrong.take([Change.of(each) for each in others])
    offsets = {number: 5 if number == 0 else 0 for number in range(6)}
    topic = topic_id(settings.kafka)
    path = settings.index.snapshot_dir / f"{settings.kafka.tagged_topic}.snapshot"
    write_snapshot(path, wrong, Place(topic, offsets, time.time_ns() // 1_000_000))

    with serving(settings) as index:
        until(lambda: index.health() == health_pb2.HealthCheckResponse.SERVING)
        own = settings.index.model_copy(update={"metrics_port": index.bound.metrics_port})
        here = settings.model_copy(update={"index": own, "redis": redis_settings})
        work = checked(here)
        assert differences(work) == {"missing": ["c", "e"], "other": ["a", "b"], "unknown": ["z"], "store": ["d"]}

        repairing = Repairing(here, lambda _: None, grace_s=0)
        after = repairing.run(work)

        assert differences(after) == {"missing": [], "other": [], "unknown": [], "store": ["d"]}
        assert repairing.products == {b"a", b"b", b"c", b"e", b"z"}
        # Nothing else was read again.
        assert (repairing.read_again, index.page("/healthz")["details"]["readings"]) == ("", 1)
        assert index.ids("color:red") == {"a", "b"}
        assert index.ids("class:boots") == {"a", "b"}
        assert index.ids("color:navy") == {"c", "d"}

        monkeypatch.setattr(repairing_module, "_MOST", -1)
        repairing = Repairing(here, lambda _: None, grace_s=0)
        assert repairing.run(after).differing == 0
        assert repairing.read_again.endswith("more than are repaired one by one")
        assert index.page("/healthz")["details"]["readings"] == 2


def checked(settings: Settings, products: int = 4) -> Checking:
    with open_checking(settings) as work:
        work.run(lambda _: None, grace_s=0)
    assert work.products == products
    return work


def differences(work: Checking) -> dict[str, list[str]]:
    return {kind: sorted(getattr(work, kind).examples) for kind in ("missing", "other", "unknown", "store")}
