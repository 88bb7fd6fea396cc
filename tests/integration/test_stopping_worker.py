"""How a worker's process ends when it is asked to."""

import signal
import socket
from pathlib import Path

import pytest
from redis import Redis

from hangtag.settings import KafkaSettings, LogSettings, ModelSettings, RedisSettings, Settings, WorkerSettings
from tests.bundles import write_tiny_bundle
from tests.integration.test_worker import process, producer, product, until

__all__ = ["producer"]
TANSU = pytest.mark.parametrize("broker", ["tansu"], indirect=True)


def settings_of(kafka: KafkaSettings, redis_url: str, folder: Path) -> Settings:
    write_tiny_bundle(folder / "bundle")
    return Settings(
        kafka=kafka,
        redis=RedisSettings(url=redis_url),
        model=ModelSettings(bundle=str(folder / "bundle"), engine="cpu", threads=1),
        worker=WorkerSettings(token_budget=2_048, window=200),
        log=LogSettings(format="json"),
    )


def says(folder: Path, word: str) -> bool:
    return f'"event": "{word}"' in (folder / "worker.log").read_text()


@pytest.mark.timeout(90)
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_a_worker_that_waits_for_kafka_at_its_start_stops_at_once(redis_settings, tmp_path, sent):
    """It would wait for 30 s."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        kafka = KafkaSettings(bootstrap=f"127.0.0.1:{silent.getsockname()[1]}")
        settings = settings_of(kafka, redis_settings.url.get_secret_value(), tmp_path)
        with process(settings, tmp_path) as worker:
            until(lambda: says(tmp_path, "connecting"))
            worker.send_signal(sent)
            assert worker.wait(10) == 0

    assert says(tmp_path, "worker_stopped")


@TANSU
@pytest.mark.timeout(120)
def test_sighup_drains(topics, redis_settings, tmp_path):
    with process(settings_of(topics, redis_settings.url.get_secret_value(), tmp_path), tmp_path) as worker:
        until(lambda: says(tmp_path, "worker_ready"))
        worker.send_signal(signal.SIGHUP)
        assert worker.wait(40) == 0

    assert says(tmp_path, "worker_draining")
    assert says(tmp_path, "worker_stopped")


@TANSU
@pytest.mark.timeout(120)
def test_another_signal_after_the_first_ends_the_process_at_once(topics, redis_settings, producer, tmp_path):
    producer.send(topics.events_topic, product("p1"), b"p1").get(20)
    settings = settings_of(topics, redis_settings.url.get_secret_value(), tmp_path)
    with process(settings, tmp_path, slow_s=100) as worker:
        with Redis.from_url(settings.redis.url.get_secret_value()) as redis:
            until(lambda: list(redis.scan_iter(match="ht:seen:*")))
        worker.send_signal(signal.SIGTERM)
        until(lambda: says(tmp_path, "worker_draining"))
        worker.send_signal(signal.SIGINT)
        assert worker.wait(10) == -signal.SIGINT


@TANSU
@pytest.mark.timeout(120)
def test_a_worker_without_redis_does_not_use_up_its_grace(topics, producer, tmp_path):
    producer.send(topics.events_topic, product("p1"), b"p1").get(20)
    with process(settings_of(topics, "redis://127.0.0.1:1/0", tmp_path), tmp_path) as worker:
        until(lambda: says(tmp_path, "mark_seen_failed"))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(18) == 0, "it waits 20 s for what can still be finished"

    assert says(tmp_path, "drain_incomplete")
