"""The main job with real parts: broker, store, worker and server as processes, and the starter bundle."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from kafka import KafkaConsumer

from hangtag.cli.local import Child, free_port
from hangtag.settings import KafkaSettings, RedisSettings
from hangtag.text.product_text import ProductText
from hangtag.v1 import tags_pb2, tags_pb2_grpc
from tests.leaks import TEXT

ROOT = Path(__file__).resolve().parents[2]
FEED = ROOT / "hangtag/cli/feed/products.jsonl"
DEADLINE_S = 90
# Runs a command of `hangtag` as in a plain install, where the packages for training cannot be imported.
PLAIN_INSTALL = """
import importlib.machinery as machinery

find_spec = machinery.PathFinder.find_spec

def plain(name, path=None, target=None):
    is_extra = name.split(".")[0] in {"torch", "transformers", "sklearn", "scipy"}
    return None if is_extra else find_spec(name, path, target)

machinery.PathFinder.find_spec = plain
from hangtag.cli.main import main
main()
"""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def environment(topics: KafkaSettings, redis_settings: RedisSettings) -> dict[str, str]:
    settings = {
        "KAFKA__BOOTSTRAP": topics.bootstrap,
        "KAFKA__GROUP": topics.group,
        "KAFKA__EVENTS_TOPIC": topics.events_topic,
        "KAFKA__TAGGED_TOPIC": topics.tagged_topic,
        "WORKER__METRICS_PORT": "0",
        "SERVER__METRICS_PORT": "0",
        "KAFKA__DEAD_LETTER_TOPIC": topics.dead_letter_topic,
        "KAFKA__TEXTS_TOPIC": topics.texts_topic,
        "REDIS__URL": redis_settings.url.get_secret_value(),
        "SERVER__PORT": str(free_port()),
    }
    return {**os.environ, **{f"HANGTAG_{name}": value for name, value in settings.items()}}


@contextmanager
def program(command: str, environment: dict[str, str], folder: Path) -> Iterator[Child]:
    folder.mkdir(exist_ok=True)
    child = Child(command, [sys.executable, "-c", PLAIN_INSTALL, command], folder, environment)
    try:
        yield child
    finally:
        child.stop()


def publish(environment: dict[str, str], file: Path, version: int) -> None:
    command = [sys.executable, "-m", "hangtag.cli", "publish", str(file), "--version", str(version)]
    done = subprocess.run(command, env=environment, cwd=file.parent, timeout=60, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)


def wait_until(is_true: Callable[[], bool], *children: Child) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        for child in children:
            assert child.is_running, child.exit_report()
        if is_true():
            return
        assert time.monotonic() < deadline, "\n".join(child.tail() for child in children)
        time.sleep(0.1)


def lookups(environment: dict[str, str], ids: list[str]) -> dict[str, tags_pb2.GetProductTagsResponse]:
    with grpc.insecure_channel(f"127.0.0.1:{environment['HANGTAG_SERVER__PORT']}") as channel:
        stub = tags_pb2_grpc.TagServiceStub(channel)
        request = tags_pb2.BatchGetProductTagsRequest(product_ids=ids)
        answer = stub.BatchGetProductTags(request, timeout=30, wait_for_ready=True)
    return {product.product_id: product for product in answer.products}


def dead_letters(topics: KafkaSettings) -> dict[str, dict[str, str]]:
    """The headers of every dead letter in the topic, by product id."""
    consumer = KafkaConsumer(bootstrap_servers=topics.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        from kafka import TopicPartition

        partitions = [TopicPartition(topics.dead_letter_topic, each) for each in range(6)]
        consumer.assign(partitions)
        found: dict[str, dict[str, str]] = {}
        empty_polls = 0
        while empty_polls < 3:
            polled = consumer.poll(timeout_ms=500)
            empty_polls = 0 if polled else empty_polls + 1
            for records in polled.values():
                for record in records:
                    found[record.key.decode()] = {name: value.decode() for name, value in record.headers}
        return found
    finally:
        consumer.close(autocommit=False)


def products() -> list[dict]:
    return [json.loads(line) for line in FEED.read_text(encoding="utf-8").splitlines()]


def text_of(product: dict) -> ProductText:
    return ProductText.of(product["title"], product["description"], product["merchant_category"])


def facets(lookup: tags_pb2.GetProductTagsResponse) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for tag in lookup.tags:
        found.setdefault(tag.facet, []).append(tag.value)
    return found


def test_every_product_is_tagged_or_a_dead_letter(environment, topics, tmp_path):
    ids = [product["product_id"] for product in products()]
    with (
        program("work", environment, tmp_path / "worker") as worker,
        program("serve", environment, tmp_path / "server") as server,
    ):
        publish(environment, FEED, version=7)
        empty = {product["product_id"] for product in products() if text_of(product).is_empty}
        wait_until(
            lambda: (
                sum(each.freshness == tags_pb2.FRESHNESS_FRESH for each in lookups(environment, ids).values())
                == len(ids) - len(empty)
            ),
            worker,
            server,
        )
        found = lookups(environment, ids)
        letters = dead_letters(topics)
        with grpc.insecure_channel(f"127.0.0.1:{environment['HANGTAG_SERVER__PORT']}") as channel:
            stub = tags_pb2_grpc.TagServiceStub(channel)
            suggested = stub.SuggestTags(
                tags_pb2.SuggestTagsRequest(text="Red floral summer dress for women"), timeout=30
            )
        worker.stop()
        server.stop()

    assert set(letters) == empty
    assert all(headers["hangtag.stage"] and headers["hangtag.message"] for headers in letters.values())
    assert {lookup.version for lookup in found.values() if lookup.bundle_version} == {7}
    tagged = {name: facets(lookup) for name, lookup in found.items() if name not in empty}
    assert sum("segment" in each for each in tagged.values()) > len(tagged) / 3
    for each in tagged.values():
        assert {"genre", "mode"}.isdisjoint(each) or each["class"] == ["computer/video game software"]
        assert {"audience", "color"}.isdisjoint(each) or each["segment"][0] in {
            "clothing",
            "footwear",
            "personal accessories",
        }
    by_title = {
        product["title"]: tagged[product["product_id"]] for product in products() if not text_of(product).is_empty
    }
    cat_food = by_title["Wet cat food pouches in jelly 12 x 85g mixed meat"]
    assert cat_food["segment"] == ["pet care/food"]
    assert {"color", "audience", "genre", "mode"}.isdisjoint(cat_food)
    suggestions = {(tag.facet, tag.value) for tag in suggested.tags}
    assert {("segment", "clothing"), ("color", "red"), ("audience", "women")} <= suggestions


def test_killed_worker_loses_nothing_and_no_older_version_wins(environment, topics, tmp_path):
    """Publish versions 1 and 2 of every product, kill the worker with SIGKILL in between and start another one."""
    feed = tmp_path / "feed.jsonl"
    lines = [
        json.dumps(product | {"product_id": f"{product['product_id']}-{copy}", "title": f"{product['title']} {TEXT}"})
        for copy in range(4)
        for product in products()
        if not text_of(product).is_empty
    ]
    feed.write_text("\n".join(lines))
    ids = [json.loads(line)["product_id"] for line in lines]
    few_at_once = {**environment, "HANGTAG_WORKER__WINDOW": "4"}  # it must not be done before it is killed
    with program("serve", environment, tmp_path / "server") as server:
        publish(environment, feed, version=2)
        publish(environment, feed, version=1)
        with program("work", few_at_once, tmp_path / "first") as first:
            wait_until(lambda: any(each.bundle_version for each in lookups(environment, ids).values()), first, server)
            os.kill(first.pid, signal.SIGKILL)
        killed_at = sum(bool(each.bundle_version) for each in lookups(environment, ids).values())
        with program("work", environment, tmp_path / "second") as second:
            wait_until(lambda: all(each.version == 2 for each in lookups(environment, ids).values()), second, server)
            second.stop()
        found = lookups(environment, ids)

    assert 0 < killed_at < len(ids)
    assert {each.version for each in found.values()} == {2}
    assert dead_letters(topics) == {}
