"""The reader of arrivals with real brokers and a real store, ahead of workers and behind them."""

import os
import signal
import socket
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.error import HTTPError

import orjson
import pytest
import redis
from kafka import KafkaAdminClient, KafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from hangtag.cli.demo.programs import environment_with
from hangtag.cli.local import Child
from hangtag.server.eta import Eta
from hangtag.settings import (
    ArrivalsSettings,
    KafkaSettings,
    LogSettings,
    ModelSettings,
    RedisSettings,
    Settings,
    WorkerSettings,
)
from hangtag.store import Arrival, ProgressReader, RedisTagReader, RedisTagStore, Seen, Stored
from hangtag.telemetry import metrics
from hangtag.telemetry.clock import SystemClock
from hangtag.workers import SourceError
from hangtag.workers.arrivals_program import read_arrivals
from tests.bundles import write_tiny_bundle
from tests.integration.test_worker import process, until
from tests.store_behaviour import tags

TANSU = pytest.mark.parametrize("broker", ["tansu"], indirect=True)


@pytest.fixture
def settings(topics: KafkaSettings, redis_settings: RedisSettings) -> Settings:
    return Settings(kafka=topics, redis=redis_settings, arrivals=ArrivalsSettings(metrics_port=0))


@pytest.fixture
def stored(redis_settings: RedisSettings) -> Iterator[Callable[[str], Stored]]:
    reader = RedisTagReader(redis_settings)
    yield lambda product: reader.read([product]).stored[0]
    reader.close()


@contextmanager
def reading(settings: Settings) -> Iterator[int]:
    """The reader, on a thread; gives the port of its page, and ends as SIGTERM ends it."""
    stop, ready, ports, errors = threading.Event(), threading.Event(), [], []

    def run() -> None:
        try:
            read_arrivals(settings, stop, lambda port: (ports.append(port), ready.set()))
        except Exception as error:  # noqa: BLE001 (raised by the test)
            errors.append(error)
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(20)
        if errors:
            raise errors[0]
        yield ports[0]
    finally:
        stop.set()
        thread.join(20)
    if errors:
        raise errors[0]
    assert not thread.is_alive()


def event(product: str, version: int, title: str = "shoe") -> bytes:
    return orjson.dumps({"product": {"product_id": product, "version": version, "title": title}})


def produce(settings: Settings, *values: tuple[str, bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap)
    for product, value in values:
        producer.send(settings.kafka.events_topic, key=product.encode(), value=value, partition=2)
    producer.flush(10)
    producer.close()


def is_ok(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status == 200
    except HTTPError:
        return False


def value(port: int, name: str, **labels: str) -> float | None:
    """The value of a metric on the page; None if it has no such series."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    samples = (sample for family in families for sample in family.samples)
    return next((sample.value for sample in samples if sample.name == name and sample.labels == labels), None)


def test_what_was_produced_is_marked_with_its_place_before_a_worker_reads_it(settings, stored):
    bad = [("bad", b"{not json"), ("bad", b'{"product": {"product_id": "another", "version": 3, "title": "x"}}')]
    produce(settings, ("p", event("p", 5)), *bad, ("no text", event("no text", 7, "")), ("p", event("p", 4)))
    store = RedisTagStore(settings.redis)
    store.write([tags(9, product="stored")])
    produce(settings, ("stored", event("stored", 9)))
    before = {how: metrics.ARRIVALS_READ.labels(how)._value.get() for how in ("marked", "skipped")}
    with reading(settings) as port:
        until(lambda: value(port, "hangtag_arrivals_read_total", outcome="marked") == before["marked"] + 4)

        assert stored("p").seen == Seen(5, 0, 2, 0)
        assert stored("no text").seen == Seen(7, 0, 2, 3), "a worker refuses it later, and says so"
        assert stored("stored") == Stored(tags(9, product="stored").payload, 9, None)
        assert [stored(each).seen for each in ("bad", "another", "never")] == [None] * 3
        assert value(port, "hangtag_arrivals_read_total", outcome="skipped") == before["skipped"] + 2
        until(lambda: value(port, "hangtag_arrivals_lag_records", partition="2") == 0)
        assert value(port, "hangtag_arrivals_lag_seconds", partition="2") == 0
        assert is_ok(port, "/healthz")
        assert is_ok(port, "/readyz")
    store.close()


@TANSU
@pytest.mark.timeout(120)
def test_behind_a_backlog_products_are_known_and_expected_until_their_tags_are_there(settings, stored, tmp_path):
    write_tiny_bundle(tmp_path / "bundle")
    model = ModelSettings(bundle=str(tmp_path / "bundle"), engine="cpu", threads=1)
    settings = settings.model_copy(
        update={
            "model": model,
            "worker": WorkerSettings(token_budget=512, window=60),
            "log": LogSettings(format="json"),
        }
    )
    produce(settings, *((f"p{n}", event(f"p{n}", 1)) for n in range(300)), ("refused", event("refused", 1, " ")))
    with closing(ProgressReader(settings.redis)) as progress, reading(settings):
        until(lambda: stored("refused").seen is not None)
        eta = Eta(progress, SystemClock())
        eta.refresh()
        assert eta.of(stored("p299").seen) is None, "no worker runs"

        with process(settings, tmp_path, slow_s=0.2):
            estimates = []

            def has_tags() -> bool:
                eta.refresh()
                found = stored("p299")
                estimates.append(None if found.seen is None else eta.of(found.seen))
                return found.version == 1

            until(has_tags)
            until(lambda: stored("refused").seen == Seen(1, 1, 2, 300))
            assert all(estimate >= 300 for estimate in estimates if estimate is not None)
            assert any(estimates), "an estimate while it waited"
            until(lambda: all(stored(f"p{n}").version == 1 for n in range(300)))
            assert all(stored(f"p{n}").seen is None for n in range(300))


@TANSU
def test_a_reader_that_comes_late_takes_no_label_away_and_makes_no_mark_of_what_is_stored(settings, stored):
    produce(settings, ("p", event("p", 5)), ("q", event("q", 5)), ("r", event("r", 5)))
    store = RedisTagStore(settings.redis)
    store.mark_refused([Arrival("p", 5, 2, 0)])
    store.write([tags(5, product="q")])
    with reading(settings):
        until(lambda: stored("r").seen is not None)

        assert stored("p").seen == Seen(5, 5, 2, 0)
        assert stored("q").seen is None
    store.close()


@TANSU
def test_a_reader_that_is_started_again_goes_on_where_it_stopped(settings, stored, redis_settings):
    produce(settings, ("p", event("p", 1)))
    with reading(settings):
        until(lambda: stored("p").seen is not None)
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        client.delete(*client.keys("ht:seen:*"))
    produce(settings, ("q", event("q", 1)))
    with reading(settings):
        until(lambda: stored("q").seen is not None)

        assert stored("p").seen is None, "its record is not read again"


@TANSU
def test_nothing_is_skipped_while_the_store_refuses_writes(settings, stored, redis_settings):
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client, reading(settings) as port:
        until(lambda: is_ok(port, "/readyz"))
        tries = value(port, "hangtag_retries_total", system="store")
        client.config_set("maxmemory", "1")
        try:
            produce(settings, ("p", event("p", 1)))
            until(lambda: value(port, "hangtag_retries_total", system="store") > tries)
            assert stored("p").seen is None
        finally:
            client.config_set("maxmemory", "0")

        until(lambda: stored("p").seen == Seen(1, 0, 2, 0))


@TANSU
def test_a_topic_that_does_not_exist_ends_it_with_the_command_that_creates_it(settings, monkeypatch):
    monkeypatch.setattr("hangtag.workers.topics._TIMEOUT_S", 0)
    with KafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap) as admin:
        admin.delete_topics([settings.kafka.events_topic])

    with pytest.raises(SourceError, match="--create --topic"):
        read_arrivals(settings, threading.Event())


@contextmanager
def child(kafka: KafkaSettings, redis_url: str, folder: Path) -> Iterator[Child]:
    """`hangtag arrivals` as a process."""
    addresses = {"kafka.bootstrap": kafka.bootstrap, "kafka.events_topic": kafka.events_topic, "redis.url": redis_url}
    more = {"kafka.group": kafka.group, "arrivals.metrics_port": "0", "log.format": "json"}
    command = [sys.executable, "-m", "hangtag.cli", "arrivals"]
    found = Child("arrivals", command, folder, environment_with({**addresses, **more}))
    try:
        yield found
    finally:
        found.stop()


@TANSU
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_good_order(topics, redis_settings, tmp_path, stored, sent):
    settings = Settings(kafka=topics, redis=redis_settings)
    produce(settings, ("p", event("p", 1)))
    with child(topics, redis_settings.url.get_secret_value(), tmp_path) as running:
        until(lambda: stored("p").seen is not None, seconds=25)
        os.kill(running.pid, sent)
        assert running.ends_within(15)

    assert running.exit_code == 0
    assert '"event": "arrivals_stopped"' in running.tail(1)


def test_while_it_waits_for_kafka_at_its_start_it_stops_at_once(redis_settings, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        kafka = KafkaSettings(bootstrap=f"127.0.0.1:{silent.getsockname()[1]}")
        with child(kafka, redis_settings.url.get_secret_value(), tmp_path) as running:
            until(lambda: '"event": "arrivals_started"' in running.tail(), seconds=25)
            running.ask_to_stop()
            assert running.ends_within(5)

    assert running.exit_code == 0


def test_what_ends_it_is_its_last_line(redis_settings, tmp_path):
    """Another program wrote the store's format."""
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        client.hset("ht:meta", mapping={"format": 9, "buckets": 64})
    with child(KafkaSettings(), redis_settings.url.get_secret_value(), tmp_path) as running:
        assert running.ends_within(25)

    assert running.exit_code == 1
    last = orjson.loads(running.tail(1))
    assert (last["event"], last["level"]) == ("arrivals_died", "critical")
    assert "has format 9" in last["reason"]
