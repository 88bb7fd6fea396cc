"""A worker with real brokers and a real Valkey: bad records among good ones, kill -9, rebalances, a clean stop."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from redis import Redis
from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.settings import (
    KafkaSettings,
    LogSettings,
    ModelSettings,
    RedisSettings,
    Settings,
    SettingsError,
    WorkerSettings,
)
from hangtag.store import RedisTagStore, StoreState
from hangtag.tagger.tagger import open_tagger
from hangtag.tags.tagset import TagSet
from hangtag.tags.thresholds import TagThresholds
from hangtag.v1 import events_pb2, tags_pb2
from hangtag.workers import SourceError, work
from hangtag.write import Update, record_of
from tests.bundles import write_tiny_bundle
from tests.leaks import TEXT

PROCESS = Path(__file__).with_name("worker_process.py")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    write_tiny_bundle(folder, thresholds=TagThresholds(auto=0, review=0))
    return folder


@pytest.fixture
def settings(topics: KafkaSettings, redis_settings: RedisSettings, bundle: Path) -> Settings:
    return Settings(
        kafka=topics,
        redis=redis_settings,
        model=ModelSettings(bundle=str(bundle), engine="cpu", threads=1),
        worker=WorkerSettings(token_budget=2_048, window=200),
        log=LogSettings(format="json"),
    )


@pytest.fixture
def producer(topics: KafkaSettings):
    opened = KafkaProducer(bootstrap_servers=topics.bootstrap, max_request_size=4_000_000)
    yield opened
    opened.close()


def product(product_id: str, version: int = 1, title: str = f"red dress {TEXT}", kind: str = "UPDATED") -> bytes:
    body = {"product_id": product_id, "version": version, "title": title}
    return json.dumps({"type": kind, "product": body}, ensure_ascii=False).encode()


def read_all(settings: Settings, topic: str) -> list:
    with KafkaConsumer(bootstrap_servers=settings.kafka.bootstrap, auto_offset_reset="earliest") as consumer:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        found = []
        # Until nothing more comes: Tansu's end offset may lag behind by the last batch.
        while more := consumer.poll(timeout_ms=2_000):
            found += [record for many in more.values() for record in many]
        return found


def stored(settings: Settings) -> dict[str, int]:
    with Redis.from_url(settings.redis.url.get_secret_value()) as redis:
        keys = list(redis.scan_iter(match="ht:p:*", count=1_000))
        values = redis.mget(keys) if keys else []
    return {
        key.split(b":", 3)[3].decode(): int.from_bytes(value[1:9])
        for key, value in zip(keys, values, strict=True)
        if value is not None
    }


def committed(settings: Settings) -> dict[int, int]:
    with KafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap) as admin:
        offsets = admin.list_group_offsets(settings.kafka.group)
    return {key.partition: value.offset for key, value in _flat(offsets)}


def _flat(offsets):
    for key, value in offsets.items():
        if isinstance(key, TopicPartition):
            yield key, value
        else:
            yield from _flat(value)


def until(condition, seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.1)


@contextmanager
def working(settings: Settings):
    """A worker on a thread of this process; leaving stops it and raises what it raised."""
    stop, errors = threading.Event(), []

    def target() -> None:
        try:
            work(settings, open_tagger(settings.model), stop)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(40)
        assert not thread.is_alive()
        assert errors == []


@contextmanager
def process(settings: Settings, folder: Path, slow_s: float = 0):
    """A worker as a process of its own."""
    file = folder / "settings.json"
    body = settings.model_dump(mode="json")
    body["redis"]["url"] = settings.redis.url.get_secret_value()
    file.write_text(json.dumps(body), encoding="utf-8")
    with (folder / "worker.log").open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, str(PROCESS), str(file), str(slow_s)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=log,
            stdout=log,
        )
    try:
        yield worker
    finally:
        if worker.poll() is None:
            worker.kill()
        worker.wait(30)


@pytest.mark.timeout(120)
def test_bad_records_do_not_affect_good_ones(settings, producer):
    topic = settings.kafka.events_topic
    json_type = ("content-type", b"application/json; charset=utf-8")
    binary = events_pb2.ProductEvent(product=events_pb2.Product(product_id="binary", version=4, title="blue shoe"))
    good = {
        "plain": product("plain"),
        "emoji": product("emoji", title="🐱👗"),
        "chinese": product("chinese", title="红色连衣裙"),
        "large": product("large", title="a " * 500_000),
    }
    bad = {
        "malformed": (f'{{"product": {{"product_id": "malformed", "title": "{TEXT}"'.encode(), "not valid JSON", []),
        "no id": (f'{{"product": {{"title": "{TEXT}"}}}}'.encode(), "product_id", []),
        "empty text": (product("empty text", title="<p></p>"), "no visible text", []),
        "content type": (product("content type"), "application/json", [("content-type", b"text/xml")]),
        "wrong key": (product("another"), "key", []),
        "null": (None, "null", []),
        "too large": (b"x" * 1_048_000, "not valid JSON", []),
    }
    with working(settings):
        for index, (key, value) in enumerate(good.items()):
            producer.send(topic, value, key.encode(), headers=[json_type] if index % 2 else [])
        for key, (value, _, headers) in bad.items():
            producer.send(topic, value, key.encode(), headers=[*headers, ("trace", b"\x00\xff")])
        producer.send(
            topic, binary.SerializeToString(), b"binary", headers=[("content-type", b"application/x-protobuf")]
        )
        producer.send(topic, product("gone", 1), b"gone")
        producer.send(topic, product("gone", 2, kind="DELETED"), b"gone")
        producer.flush(30)
        until(lambda: set(stored(settings)) == {*good, "binary", "gone"})
        until(lambda: len(read_all(settings, settings.kafka.dead_letter_topic)) >= len(bad))
        until(lambda: sum(committed(settings).values()) == len(good) + len(bad) + 3)

    dead = {record.key.decode(): record for record in read_all(settings, settings.kafka.dead_letter_topic)}
    assert set(dead) == set(bad)
    for key, (value, expected, headers) in bad.items():
        said = dict(dead[key].headers)
        assert dead[key].value == value
        assert dead[key].headers[: len(headers) + 1] == [*headers, ("trace", b"\x00\xff")]
        assert expected in said["hangtag.message"].decode()
        assert said["hangtag.topic"].decode() == topic
        assert said["hangtag.group"].decode() == settings.kafka.group
    tagged = {record.key.decode(): record.value for record in read_all(settings, settings.kafka.tagged_topic)}
    assert set(tagged) == {*good, "binary", "gone"}
    assert tagged["gone"] is None
    assert tags_pb2.ProductTags.FromString(tagged["binary"]).version == 4
    assert all(tags_pb2.ProductTags.FromString(tagged[key]).tags for key in good)
    assert sum(committed(settings).values()) == len(good) + len(bad) + 3


@pytest.mark.timeout(120)
def test_a_record_that_compression_made_small_becomes_a_dead_letter_and_its_partition_goes_on(settings, topics):
    """Its producer compressed it below the limit of the events topic, which no topic's limit lets through as it is."""
    large = product("large", title="a red dress " * 450_000)
    with KafkaProducer(
        bootstrap_servers=topics.bootstrap, compression_type="gzip", max_request_size=9_000_000
    ) as sender:
        for number in range(3):
            sender.send(topics.events_topic, product(f"before{number}"), partition=0)
            sender.send(topics.events_topic, large, partition=0)
            sender.send(topics.events_topic, product(f"behind{number}"), partition=0)
        sender.flush(30)
    with working(settings):
        until(lambda: len(stored(settings)) == 6)
        until(lambda: committed(settings).get(0) == 9)

    letters = read_all(settings, topics.dead_letter_topic)
    assert [letter.value == large for letter in letters] == [True] * 3
    assert {letter.key for letter in letters} == {None}
    reason = dict(letters[0].headers)["hangtag.message"].decode()
    assert f"{len(large)} bytes" in reason
    assert "worker.max_record_bytes" in reason


def test_a_metrics_port_in_use_names_the_setting(settings):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = settings.model_copy(update={"worker": settings.worker.model_copy(update={"metrics_port": port})})

        with pytest.raises(SettingsError, match=f"127.0.0.1:{port}.*HANGTAG_WORKER__METRICS_PORT"):
            work(taken, open_tagger(taken.model), threading.Event())


@pytest.mark.timeout(120)
def test_a_worker_that_is_killed_halfway_loses_nothing(settings, producer, tmp_path):
    count = 1_200
    for number in range(count):
        key = f"p{number % 400}"
        producer.send(settings.kafka.events_topic, product(key, number + 1), key.encode())
    producer.flush(30)
    newest = {f"p{number % 400}": number + 1 for number in range(count)}

    with process(settings, tmp_path, slow_s=0.3) as worker:
        until(lambda: len(stored(settings)) > 40)
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
    before = stored(settings)
    assert len(before) < 400, "it was killed halfway"
    with process(settings, tmp_path) as worker:
        until(lambda: stored(settings) == newest)
        until(lambda: sum(committed(settings).values()) == count)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(40) == 0

    assert all(newest[key] >= version for key, version in before.items())
    last = {}
    for record in read_all(settings, settings.kafka.tagged_topic):
        last[record.key.decode()] = tags_pb2.ProductTags.FromString(record.value).version
    assert last == newest
    assert read_all(settings, settings.kafka.dead_letter_topic) == []
    assert "red dress" not in (tmp_path / "worker.log").read_text()


@pytest.mark.timeout(120)
def test_a_second_worker_takes_over_partitions_and_gives_them_back(settings, producer, tmp_path):
    def send(start: int) -> None:
        for number in range(start, start + 300):
            producer.send(settings.kafka.events_topic, product(f"p{number}"), f"p{number}".encode())
        producer.flush(30)

    with working(settings):
        send(0)
        until(lambda: len(stored(settings)) == 300)
        with process(settings, tmp_path) as second:
            until(lambda: '"ours": true' in (tmp_path / "worker.log").read_text())
            send(300)
            until(lambda: len(stored(settings)) == 600)
            second.send_signal(signal.SIGTERM)
            assert second.wait(40) == 0
        send(600)
        until(lambda: len(stored(settings)) == 900)
        until(lambda: sum(committed(settings).values()) == 900)

    assert sum(committed(settings).values()) == 900


@pytest.mark.timeout(120)
def test_a_record_that_arrives_behind_a_newer_one_is_repaired(settings, producer):
    """A former owner of the partition leaves it so if it dies before it can correct it."""
    topic = settings.kafka.tagged_topic

    def versions() -> list[str]:
        return [dict(record.headers)["hangtag.version"].decode() for record in read_all(settings, topic)]

    with working(settings):
        producer.send(settings.kafka.events_topic, product("p1", 2), b"p1")
        until(lambda: versions() == ["2"])
        key, value, headers = record_of(Update("p1", 1, TagSet((), ()), "a" * 64).entry())
        producer.send(topic, value, key, headers=list(headers)).get(30)
        until(lambda: versions() == ["2", "1", "2"])

    last = read_all(settings, topic)[-1]
    assert tags_pb2.ProductTags.FromString(last.value).version == 2


@pytest.mark.kafka
@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_topic_that_would_lose_what_a_rebuild_needs_is_refused_with_the_command_that_corrects_it(settings):
    topic = settings.kafka.tagged_topic
    with KafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap) as admin:
        wrong = {"delete.retention.ms": "1000", "min.compaction.lag.ms": "0", "cleanup.policy": "compact"}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, wrong)])

    with pytest.raises(SourceError, match=r"delete\.retention\.ms=604800000") as caught:
        work(settings, open_tagger(settings.model), threading.Event())

    assert f"--alter --topic {topic}" in str(caught.value)


@pytest.mark.parametrize("broker", ["tansu"], indirect=True)
def test_an_idle_worker_records_and_reports_that_the_store_lost_its_data(settings):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    settings = settings.model_copy(update={"worker": settings.worker.model_copy(update={"metrics_port": port})})

    def detail() -> dict[str, object] | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as reply:
                return json.load(reply)["details"]["store"]
        except urllib.error.URLError:
            return None

    with working(settings), Redis.from_url(settings.redis.url.get_secret_value()) as redis:
        until(lambda: detail() is not None)
        assert detail()["emptied"] is False
        redis.flushdb()

        until(lambda: detail()["emptied"])

        assert detail()["next"] == "run `hangtag rebuild`"
        assert redis.hexists("ht:meta", "emptied")


@pytest.mark.kafka
@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_an_emptied_store_is_recorded_and_rebuilt(settings, producer, monkeypatch, tmp_path):
    """On Apache Kafka: Tansu keeps no metadata of committed offsets."""

    def state() -> StoreState:
        store = RedisTagStore(settings.redis)
        try:
            return store.check()
        finally:
            store.close()

    for number in range(20):
        producer.send(settings.kafka.events_topic, product(f"p{number}", 3), f"p{number}".encode())
    producer.send(settings.kafka.events_topic, product("p0", 4, kind="DELETED"), b"p0")
    producer.flush(30)
    expected = {"p0": 4, **{f"p{number}": 3 for number in range(1, 20)}}
    with working(settings):
        until(lambda: stored(settings) == expected)
        until(lambda: sum(committed(settings).values()) == 21)
    with Redis.from_url(settings.redis.url.get_secret_value()) as redis:
        redis.flushdb()
    with working(settings):
        until(lambda: state().emptied_ms is not None)
    assert stored(settings) == {}

    monkeypatch.setenv("HANGTAG_KAFKA__BOOTSTRAP", settings.kafka.bootstrap)
    monkeypatch.setenv("HANGTAG_KAFKA__TAGGED_TOPIC", settings.kafka.tagged_topic)
    monkeypatch.setenv("HANGTAG_REDIS__URL", settings.redis.url.get_secret_value())
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["rebuild"])

    assert result.exit_code == 0, result.output
    assert "20 products restored" in result.output
    assert stored(settings) == expected
    assert state().emptied_ms is None
    with working(settings):
        producer.send(settings.kafka.events_topic, product("p0", 2), b"p0")
        producer.flush(30)
        until(lambda: sum(committed(settings).values()) == 22)
    assert stored(settings) == expected, "the deletion blocks an older version"
