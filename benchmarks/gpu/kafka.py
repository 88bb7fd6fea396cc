"""Kafka to Redis: a worker of this checkout on a broker and a cache of this machine."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import redis

from benchmarks.gpu.models import open_model
from hangtag.cli.feed_lines import event_of, open_feed
from hangtag.cli.local import LocalStack
from hangtag.cli.publisher import Publisher
from hangtag.engine.torch import TorchEngine
from hangtag.settings import Settings
from hangtag.tagger.tagger import Tagger
from hangtag.telemetry import metrics
from hangtag.text.product_text import ProductText
from hangtag.v1 import events_pb2
from hangtag.workers.program import work

_LIMIT_S = 90.0


def measure(name: str, data: Path, folder: Path, count: int, device: str, encoders: int) -> dict[str, Any]:
    """Products/s of a backlog, from the first poll until all are settled."""
    bundle = open_model(name, folder)
    events = [event.SerializeToString() for event in read(data, count)]
    with LocalStack() as settings:
        child = multiprocessing.get_context("spawn").Process(target=publish, args=(settings, events))
        child.start()
        child.join()
        tagger = Tagger.of(bundle, TorchEngine(bundle, device)).with_encoders(encoders)
        assert tagger.encoders is not None
        with tagger.encoders:
            return run(settings, tagger, count)


def measure_shared(folder: Path, data: Path, count: int, devices: str) -> dict[str, Any]:
    """Products/s of `hangtag work --devices` over a backlog, from a tenth of it to nine tenths."""
    events = [event.SerializeToString() for event in read(data, count)]
    with (
        LocalStack() as settings,
        TemporaryDirectory() as logs,
        redis.Redis.from_url(settings.redis.url.get_secret_value()) as store,
    ):
        child = multiprocessing.get_context("spawn").Process(target=publish, args=(settings, events))
        child.start()
        child.join()
        environment = os.environ | {
            "HANGTAG_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
            "HANGTAG_REDIS__URL": settings.redis.url.get_secret_value(),
            "HANGTAG_WORKER__WINDOW": "8192",
            "HANGTAG_WORKER__METRICS_PORT": "0",
        }
        command = [sys.executable, "-m", "hangtag.cli", "work", "--devices", devices, "--bundle", str(folder)]
        log = Path(logs) / "log"
        with log.open("w") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as run:
            began, reached = time.monotonic(), {}
            while run.poll() is None and time.monotonic() - began < _LIMIT_S and 0.9 not in reached:
                time.sleep(0.02)
                done = store.dbsize() / count
                for share in (0.1, 0.9):
                    if done >= share:
                        reached.setdefault(share, time.monotonic())
            run.terminate()
        print(log.read_text()[-1_500:], flush=True)
    took = reached.get(0.9, float("inf")) - reached.get(0.1, 0.0)
    return {"devices": devices, "products": count, "products_per_s": 0.8 * count / took}


def read(data: Path, count: int) -> list[events_pb2.ProductEvent]:
    """Events of `count` products with text; the file is repeated if it has fewer."""
    with open_feed(str(data)) as lines:
        found = [event_of(line, 1) for line in lines if line.strip()]
    found = [each for each in found if not ProductText.of(each.product.title, each.product.description).is_empty]
    events = []
    for number, each in enumerate(islice(cycle(found), count)):
        event = events_pb2.ProductEvent()
        event.CopyFrom(each)
        event.product.product_id = f"bench-{number}"
        events.append(event)
    return events


def publish(settings: Settings, events: list[bytes]) -> None:
    with Publisher(settings.kafka) as publisher:
        for event in events:
            publisher.send(events_pb2.ProductEvent.FromString(event))
        publisher.finish()


def run(settings: Settings, tagger: Tagger, count: int) -> dict[str, Any]:
    limits = settings.worker.model_copy(update={"window": 8_192, "token_budget": 32_768, "metrics_port": 0})
    stop, began = threading.Event(), time.monotonic()
    thread = threading.Thread(target=work, args=(settings.model_copy(update={"worker": limits}), tagger, stop))
    thread.start()
    first = last = 0.0
    settled, at_first, cpu = 0.0, 0.0, 0.0
    try:
        while thread.is_alive() and time.monotonic() - began < _LIMIT_S and settled < count:
            time.sleep(0.02)
            found = settled_so_far()
            if found and not first:
                first, at_first, cpu = time.monotonic(), found, time.process_time()
            if found != settled:
                settled, last = found, time.monotonic()
    finally:
        cpu = time.process_time() - cpu
        stop.set()
        thread.join()
    rate = (settled - at_first) / max(last - first, 1e-9)
    return {"products": settled, "products_per_s": rate, "worker_us": cpu / max(1.0, settled - at_first) * 1e6}


def settled_so_far() -> float:
    samples = (sample for metric in metrics.RECORDS_SETTLED.collect() for sample in metric.samples)
    return sum(sample.value for sample in samples if sample.name == "hangtag_records_settled_total")
