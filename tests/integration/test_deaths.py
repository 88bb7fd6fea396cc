"""Whatever dies in a program ends its process, non-zero, and its reason and stack are the last line of the log."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.bundles import write_tiny_bundle
from tests.integration.test_worker import producer, product

__all__ = ["producer"]
ROOT = Path(__file__).resolve().parents[2]
PROCESS = Path(__file__).with_name("dying_command.py")
pytestmark = [pytest.mark.timeout(120), pytest.mark.parametrize("broker", ["tansu"], indirect=True)]


def last_lines(command: str, part: str, topics, redis_settings, folder: Path) -> tuple[int, list[str]]:
    write_tiny_bundle(folder / "bundle")
    found = subprocess.run(
        [sys.executable, str(PROCESS), command, part],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HANGTAG_KAFKA__BOOTSTRAP": topics.bootstrap,
            "HANGTAG_KAFKA__GROUP": topics.group,
            "HANGTAG_KAFKA__EVENTS_TOPIC": topics.events_topic,
            "HANGTAG_KAFKA__TAGGED_TOPIC": topics.tagged_topic,
            "HANGTAG_KAFKA__DEAD_LETTER_TOPIC": topics.dead_letter_topic,
            "HANGTAG_KAFKA__TEXTS_TOPIC": topics.texts_topic,
            "HANGTAG_REDIS__URL": redis_settings.url.get_secret_value(),
            "HANGTAG_MODEL__BUNDLE": str(folder / "bundle"),
            "HANGTAG_MODEL__ENGINE": "cpu",
            "HANGTAG_WORKER__METRICS_PORT": "0",
            "HANGTAG_SERVER__METRICS_PORT": "0",
            "HANGTAG_SERVER__PORT": "0",
            "HANGTAG_LOG__FORMAT": "json",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return found.returncode, (found.stdout + found.stderr).strip().splitlines()


@pytest.mark.parametrize("part", ["encode", "forward", "write", "poll", "tail reader", "store watch", "telemetry"])
def test_a_part_of_the_worker_that_dies_ends_it_with_its_reason_and_stack_last(
    topics, redis_settings, producer, tmp_path, part
):
    over = threading.Event()

    def send() -> None:
        while not over.wait(0.2):
            producer.send(topics.events_topic, product(f"p{time.monotonic()}"))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        code, lines = last_lines("work", part, topics, redis_settings, tmp_path)
    finally:
        over.set()
        sender.join()

    last = json.loads(lines[-1])
    assert (code, last["event"], last["level"]) == (1, "worker_died", "critical")
    assert last["stack"].splitlines()[-1] == "KeyError"
    assert "die" in last["stack"]
    if part != "poll":  # its thread is the worker's own
        assert part in last["reason"]
    assert not [line for line in lines if "red dress" in line]


@pytest.mark.parametrize("part", ["server's store watch", "server's waits", "telemetry"])
def test_a_part_of_the_server_that_dies_ends_it_with_its_reason_and_stack_last(topics, redis_settings, tmp_path, part):
    code, lines = last_lines("serve", part, topics, redis_settings, tmp_path)

    last = json.loads(lines[-1])
    assert (code, last["event"], last["level"]) == (1, "server_died", "critical")
    assert last["stack"].splitlines()[-1] == "KeyError"
    assert "die" in last["stack"]
    assert not [line for line in lines if "red dress" in line]
