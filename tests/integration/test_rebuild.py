"""`hangtag rebuild` and `hangtag verify` as processes, with a real broker and a real Valkey."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from hangtag.cli.topic import TopicReader
from hangtag.kafka.producer import Producer
from hangtag.settings import KafkaSettings, ModelSettings, RedisSettings, Settings, WorkerSettings
from hangtag.store import Entry, RedisTagStore
from hangtag.tags.tagset import TagSet
from hangtag.tags.thresholds import TagThresholds
from hangtag.write import Update, record_of
from tests.bundles import write_tiny_bundle
from tests.integration.test_worker import product, until, working

ROOT = Path(__file__).resolve().parents[2]
BUNDLES = ("a" * 64, "b" * 64)
# Several chunks, so that there is a middle to be killed in.
MANY = 16_000
on_tansu = pytest.mark.parametrize("broker", ["tansu"], indirect=True)


def tags(product_id: str, version: int, bundle: str = BUNDLES[0]) -> Entry:
    return Update(product_id, version, TagSet((), ()), bundle, tagged_at_ms=version).entry()


@pytest.fixture
def settings(topics: KafkaSettings, redis_settings: RedisSettings) -> Settings:
    return Settings(kafka=topics, redis=redis_settings)


@pytest.fixture
def client(redis_settings: RedisSettings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        yield client


def produce(settings: Settings, *entries: Entry) -> None:
    producer = Producer(bootstrap_servers=settings.kafka.bootstrap, linger_ms=20, batch_size=262_144)
    for entry in entries:
        key, value, headers = record_of(entry)
        producer.send(settings.kafka.tagged_topic, key=key, value=value, headers=list(headers))
    producer.flush(60)
    producer.close()


def store(settings: Settings, *entries: Entry) -> None:
    opened = RedisTagStore(settings.redis)
    opened.write(entries)
    opened.close()


def start(settings: Settings, *arguments: str) -> "subprocess.Popen[str]":
    environment = {
        "HANGTAG_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "HANGTAG_KAFKA__TAGGED_TOPIC": settings.kafka.tagged_topic,
        "HANGTAG_REDIS__URL": settings.redis.url.get_secret_value(),
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "hangtag.cli", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(settings: Settings, *arguments: str) -> tuple[int, str, str]:
    process = start(settings, *arguments)
    out, err = process.communicate(timeout=100)
    return process.returncode, out, err


def verified(settings: Settings) -> dict[str, int]:
    """The kinds of disagreement that `hangtag verify` finds, and how many products each."""
    code, out, err = run(settings, "verify", "--grace", "1", "--json")
    found = json.loads(out)
    assert code == bool(found["disagreeing"]), err
    assert found["changing"] == 0
    return {kind: each["count"] for kind, each in found["disagreements"].items() if each["count"]}


def saved(client: redis.Redis) -> int:
    """The sum of the offsets that a rebuild has saved."""
    return sum(int(value) for name, value in client.hgetall("ht:rebuild").items() if name.startswith(b"offset:"))


@contextmanager
def in_the_middle(settings: Settings, client: redis.Redis) -> "Iterator[subprocess.Popen[str]]":
    """A rebuild that has saved something of many products and has not ended."""
    produce(settings, *(tags(f"p{number}", 1) for number in range(MANY)))
    with start(settings, "rebuild") as process:
        give_up = time.monotonic() + 60
        while not saved(client) and process.poll() is None and time.monotonic() < give_up:
            time.sleep(0.002)
        process.send_signal(signal.SIGSTOP)
        assert 0 < saved(client) < MANY
        yield process


@pytest.mark.timeout(120)
def test_an_empty_store_is_filled_with_tags_and_deletions(settings, client):
    produce(settings, *(tags(f"p{number}", 1) for number in range(50)))
    produce(settings, tags("p1", 3), tags("p1", 2), Entry.deletion("p2", 2), tags("p3", 2))

    code, out, err = run(settings, "rebuild")

    assert code == 0, err
    assert "54 records" in out
    assert "1 produced again, 0 unreadable" in out
    opened = RedisTagStore(settings.redis)
    assert opened.read(["p0", "p1", "p2", "p3"]) == [
        tags("p0", 1),
        tags("p1", 3),
        Entry.deletion("p2", 2),
        tags("p3", 2),
    ]
    opened.close()
    assert 0 < client.ttl(next(client.scan_iter("ht:p:*:p2"))) <= settings.redis.deleted_ttl_s
    assert not client.exists("ht:rebuild")
    assert verified(settings) == {}


@pytest.mark.timeout(120)
@on_tansu
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_was_stopped_in_the_middle_goes_on_there(settings, client, number):
    with in_the_middle(settings, client) as process:
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == (-9 if number == signal.SIGKILL else 130)
    if number == signal.SIGTERM:
        assert "goes on where it stopped" in out
    done = saved(client)
    assert client.dbsize() < MANY

    code, out, err = run(settings, "rebuild")

    assert code == 0, err
    assert f"{MANY - done:,} records" in out
    assert "--from-start" in out
    assert verified(settings) == {}


@pytest.mark.timeout(120)
@on_tansu
def test_a_product_whose_last_record_is_not_its_newest_is_not_forgotten_by_a_stop(settings, client):
    """The newest and the last record were read before the stop; the last one is produced after it."""
    produce(settings, tags("p", 3), tags("p", 2))
    with in_the_middle(settings, client) as process:
        process.kill()

    code, out, err = run(settings, "rebuild")

    assert code == 0, err
    assert "1 produced again" in out
    assert verified(settings) == {}


@pytest.mark.timeout(120)
@on_tansu
def test_a_store_that_is_flushed_in_the_middle_is_filled_completely(settings, client):
    with in_the_middle(settings, client) as process:
        client.flushdb()
        process.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=60)

    assert process.returncode == 0, err
    assert "lost what was written last" in err
    assert verified(settings) == {}
    meta = client.hgetall("ht:meta")
    assert meta[b"rebuilt"] == meta[b"identity"]
    assert b"emptied" not in meta


@pytest.mark.timeout(120)
@on_tansu
def test_a_worker_writes_during_a_rebuild(settings, client, tmp_path):
    write_tiny_bundle(tmp_path, thresholds=TagThresholds(auto=0, review=0))
    model = ModelSettings(bundle=str(tmp_path), engine="cpu", threads=1)
    settings = settings.model_copy(update={"model": model, "worker": WorkerSettings(window=200)})
    producer = Producer(bootstrap_servers=settings.kafka.bootstrap)

    def send(version: int) -> None:
        for number in range(0, MANY, MANY // 100):
            event = product(f"p{number}", version, kind="DELETED" if number % 320 == 0 else "UPDATED")
            producer.send(settings.kafka.events_topic, event, f"p{number}".encode())
        producer.flush(30)

    with working(settings):
        with in_the_middle(settings, client) as process:
            send(5)
            process.send_signal(signal.SIGCONT)
            send(6)
            _, err = process.communicate(timeout=90)
        assert process.returncode == 0, err
        opened = RedisTagStore(settings.redis)
        products = [f"p{number}" for number in range(0, MANY, MANY // 100)]
        until(lambda: all(entry is not None and entry.version == 6 for entry in opened.read(products)))
        opened.close()
        send(7)
        assert verified(settings) == {}
    producer.close()


@pytest.mark.timeout(120)
def test_verify_finds_what_is_broken_on_purpose_and_a_rebuild_repairs_it(settings, client):
    healthy = [tags(f"p{number}", 1) for number in range(20)]
    produce(settings, *healthy)
    store(settings, *healthy)
    store(settings, tags("newer", 2), tags("other", 1, BUNDLES[1]), tags("last", 2), tags("older", 1), tags("alone", 1))
    produce(settings, tags("newer", 1), tags("other", 1), tags("last", 2), tags("last", 1), tags("older", 2))
    produce(settings, tags("missing", 1), Entry.deletion("deleted", 1))
    before = {key: client.dump(key) for key in client.scan_iter()}

    found = verified(settings)

    assert found == {"missing": 2, "older": 1, "newer": 1, "other": 1, "not_last": 1, "not_in_topic": 1}
    assert {key: client.dump(key) for key in client.scan_iter()} == before, "nothing is written"
    _, out, _ = run(settings, "verify", "--grace", "0")
    assert "run `hangtag rebuild --from-start`" in out
    assert "let the shop send the products" in out
    for name in ("missing", "older", "newer", "other", "last", "alone"):
        assert name in out

    assert run(settings, "rebuild", "--from-start")[0] == 0
    assert verified(settings) == {"not_in_topic": 1}, "nothing says what the product of no record should be"


@pytest.mark.kafka
@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_topic_that_forgets_deletions_too_early_is_restored_with_a_warning(settings):
    topic = settings.kafka.tagged_topic
    with KafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap) as admin:
        wrong = {"delete.retention.ms": "1000", "cleanup.policy": "compact", "min.compaction.lag.ms": "86400000"}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, wrong)])
    produce(settings, tags("p", 1))

    code, out, err = run(settings, "rebuild")

    assert code == 0
    assert "1 products restored" in out
    assert f"--alter --topic {topic} --add-config delete.retention.ms=604800000" in err


@on_tansu
def test_the_end_of_a_topic_is_reached_under_constant_traffic(settings):
    stop = threading.Event()

    def send_on() -> None:
        with closing(Producer(bootstrap_servers=settings.kafka.bootstrap)) as producer:
            for version in itertools.count(1):
                key, value, headers = record_of(tags("p", version))
                producer.send(settings.kafka.tagged_topic, key=key, value=value, headers=list(headers))
                if stop.wait(0.05):
                    return

    thread = threading.Thread(target=send_on)
    thread.start()
    try:
        with TopicReader(settings.kafka, settings.kafka.tagged_topic) as reader:
            chunks = list(reader.chunks_until_end())
    finally:
        stop.set()
        thread.join(20)

    assert all(chunks)


@on_tansu
def test_without_a_store_the_next_step_is_said(settings):
    settings = settings.model_copy(update={"redis": RedisSettings(url="redis://127.0.0.1:1/0")})

    code, _, err = run(settings, "rebuild")

    assert code == 1
    assert "does not answer" in err
    assert "run `hangtag rebuild` again" in err
