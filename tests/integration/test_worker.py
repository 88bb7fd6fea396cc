"""A worker with real brokers and a real Valkey: bad records among good ones, kill -9, rebalances, a clean stop."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from redis import Redis

from hangtag.settings import (
    KafkaSettings,
    LogSettings,
    ModelSettings,
    RedisSettings,
    Settings,
    SettingsError,
    WorkerSettings,
)
from hangtag.tagger.tagger import open_tagger
from hangtag.tags.thresholds import TagThresholds
from hangtag.v1 import events_pb2, tags_pb2
from hangtag.workers import work
from tests.bundles import write_tiny_bundle

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


def product(product_id: str, version: int = 1, title: str = "red dress", kind: str = "UPDATED") -> bytes:
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


def test_bad_records_among_good_neighbours(settings, producer):
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
        "malformed": (b'{"product": {"product_id": "malformed"', "not valid JSON", []),
        "no id": (b'{"product": {"title": "x"}}', "product_id", []),
        "empty text": (product("empty text", title="<p></p>"), "empty", []),
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


def test_a_taken_port_for_metrics_says_what_to_set(settings):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = settings.model_copy(update={"worker": settings.worker.model_copy(update={"metrics_port": port})})

        with pytest.raises(SettingsError, match=f"127.0.0.1:{port}.*HANGTAG_WORKER__METRICS_PORT"):
            work(taken, open_tagger(taken.model), threading.Event())


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
