"""A worker of several processes: all read, one that dies is started again, and all drain together."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from tests.bundles import write_tiny_bundle
from tests.integration.test_worker import producer, product, until

__all__ = ["producer"]
ROOT = Path(__file__).resolve().parents[2]
TANSU = pytest.mark.parametrize("broker", ["tansu"], indirect=True)


def lines(log: Path, event: str) -> list[dict]:
    found = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [each for each in found if each["event"] == event]


def children(parent: int) -> list[int]:
    """The processes that work, without the one that looks after the standard library's resources."""
    pids = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@contextmanager
def workers(topics, redis_settings, folder, devices):
    """`hangtag work --devices`, with its log."""
    write_tiny_bundle(folder / "bundle")
    log = folder / "workers.log"
    environment = os.environ | {
        "HANGTAG_KAFKA__BOOTSTRAP": topics.bootstrap,
        "HANGTAG_KAFKA__GROUP": topics.group,
        "HANGTAG_KAFKA__SESSION_TIMEOUT_S": "6",
        "HANGTAG_KAFKA__EVENTS_TOPIC": topics.events_topic,
        "HANGTAG_KAFKA__TAGGED_TOPIC": topics.tagged_topic,
        "HANGTAG_KAFKA__DEAD_LETTER_TOPIC": topics.dead_letter_topic,
        "HANGTAG_KAFKA__TEXTS_TOPIC": topics.texts_topic,
        "HANGTAG_REDIS__URL": redis_settings.url.get_secret_value(),
        "HANGTAG_MODEL__BUNDLE": str(folder / "bundle"),
        "HANGTAG_WORKER__METRICS_PORT": "0",
        "HANGTAG_LOG__FORMAT": "json",
        "PYTHONPATH": str(ROOT),
    }
    with (
        log.open("w") as output,
        subprocess.Popen(
            [sys.executable, "-m", "hangtag.cli", "work", "--devices", devices],
            env=environment,
            stdout=output,
            stderr=output,
            cwd=folder,
        ) as process,
    ):
        try:
            yield process, log
        finally:
            process.kill()


@TANSU
@pytest.mark.timeout(180)
def test_processes_share_the_work_and_one_that_dies_is_started_again(topics, redis_settings, producer, tmp_path):
    with (
        workers(topics, redis_settings, tmp_path, "cpu,cpu") as (process, log),
        Redis.from_url(redis_settings.url.get_secret_value()) as redis,
    ):

        def stored() -> int:
            return sum(1 for _ in redis.scan_iter(match="ht:p:*"))

        def send(names: range) -> None:
            for name in names:
                producer.send(topics.events_topic, product(f"p{name}"), f"p{name}".encode())
            producer.flush(20)

        until(lambda: lines(log, "working"), seconds=90)
        (working,) = lines(log, "working")
        assert len(set(working["processes"])) == 2
        send(range(40))
        until(lambda: stored() == 40, seconds=60)
        url = f"http://127.0.0.1:{working['metrics_port']}/metrics"
        with urllib.request.urlopen(url, timeout=10) as reply:
            page = reply.read().decode()
        for number in "01":
            assert f'hangtag_assigned_partitions{{process="{number}"}}' in page

        os.kill(working["processes"][0], signal.SIGKILL)
        until(lambda: lines(log, "process_died"), seconds=30)
        assert lines(log, "process_died")[0]["reason"] == "killed by SIGKILL"
        send(range(40, 80))
        until(lambda: stored() == 80, seconds=90)

        # Ctrl-C reaches all of them.
        now = children(process.pid)
        assert len(now) == 2
        for pid in (*now, process.pid):
            os.kill(pid, signal.SIGINT)
        assert process.wait(60) == 0
    assert lines(log, "worker_stopped")[-1]["logger"] == "hangtag.workers.processes"
    assert not any(Path(f"/proc/{pid}").exists() for pid in now)


@TANSU
def test_a_gpu_that_is_not_there_is_an_error_with_a_way_out(topics, redis_settings, tmp_path):
    with workers(topics, redis_settings, tmp_path, "97") as (process, log):
        assert process.wait(60) == 1
    assert "worker.devices" in log.read_text()


@TANSU
@pytest.mark.timeout(120)
def test_a_process_that_cannot_start_ends_the_worker_with_its_reason(topics, redis_settings, tmp_path):
    wrong = redis_settings.model_copy(update={"buckets": 7})
    with Redis.from_url(redis_settings.url.get_secret_value()) as redis:
        redis.hset("ht:meta", mapping={"format": 2, "buckets": 3, "identity": "other"})
    with workers(topics, wrong, tmp_path, "cpu,cpu") as (process, log):
        assert process.wait(90) == 1
    assert "does not start" in lines(log, "worker_died")[-1]["reason"]
    assert "buckets" in lines(log, "worker_died")[-1]["reason"]
