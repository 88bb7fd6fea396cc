"""From Kafka to Redis: how much of the engine's speed a worker reaches, and what each process uses.

    make bench-worker                  # QUICK=1: within 50 s
    python -m benchmarks.worker --data ../shared/data/marketplace-validation.jsonl.gz

A backlog is produced and counted apart; then a worker starts, and what it stores is measured from a tenth of the
backlog to nine tenths. Before and after it the same texts are tagged in this process, and by the pipeline of
transformers. Writes benchmarks/results/worker.json: `share_of_engine` (by the clock, over tokenising, engine and
decoding in one process), `cpu_over_engine` (processor time of the worker for a product over that of the same),
`ratio_to_pipeline`, the processor time of each process, the worker's memory, and `first_tags_s`, from the start of the
worker's process to the first tags in the store. All of it is for Linux.
"""

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import redis
from rich.console import Console
from rich.table import Table

from benchmarks.closing import add_results, measured_or_exit, write_results
from benchmarks.engine import some_texts, text_to_tags
from benchmarks.machine import cpu_seconds, machine, memory_mb
from benchmarks.main_job import FEED, read
from benchmarks.pipeline import reference
from hangtag.bundle import load_bundle
from hangtag.cli.demo.programs import start_program
from hangtag.cli.errors import CommandError
from hangtag.cli.local import LocalStack
from hangtag.cli.publisher import Publisher
from hangtag.settings import Settings
from hangtag.tagger.tagger import Tagger
from hangtag.v1 import events_pb2

_BATCH = 32
_PATIENCE_S = 300.0
_FROM, _TO = 0.1, 0.9
_LOOK_EVERY_S = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.worker", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=FEED, help="JSONL of products, also as .gz")
    parser.add_argument("--products", type=int, default=6_000)
    parser.add_argument("--texts", type=int, default=512, help="texts that the pipeline and one process tag")
    parser.add_argument("--rounds", type=int, default=3, help="of these, before and after the worker")
    parser.add_argument("--quick", action="store_true", help="within 50 s: 2,000 products, 128 texts, 1 round")
    add_results(parser, "worker")
    options = parser.parse_args()
    if options.quick:
        options.products, options.texts, options.rounds = 2_000, 128, 1
    result = measured_or_exit(lambda: measured(options))
    write_results(result, options.results)
    report(result)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    texts = some_texts(options.data, options.texts)
    pipeline = reference(load_bundle("starter"))
    rates: dict[str, list[tuple[float, float]]] = {"pipeline": [], "process": []}
    with closing(Tagger.load("starter", "cpu").engine) as engine:
        tagger = Tagger.of(load_bundle("starter"), engine)
        ways: dict[str, Callable[[], object]] = {
            "pipeline": lambda: pipeline(texts, _BATCH),
            "process": lambda: text_to_tags(tagger, texts),
        }

        def compare() -> None:
            for _ in range(options.rounds):
                for name, run in ways.items():
                    rates[name].append(timed(run, len(texts)))

        text_to_tags(tagger, texts)
        compare()
        worker = backlog(read(options.data, options.products))
        compare()
    rate = {name: statistics.median(each for each, _ in found) for name, found in rates.items()}
    cpu_ms = {name: statistics.median(each for _, each in found) for name, found in rates.items()}
    return {
        "machine": machine(),
        "products": options.products,
        "share_of_engine": worker["products_per_s"] / rate["process"],
        "cpu_over_engine": worker["cpu_ms"]["worker"] / cpu_ms["process"],
        "ratio_to_pipeline": worker["products_per_s"] / rate["pipeline"],
        "pipeline_per_s": rate["pipeline"],
        "engine_per_s": rate["process"],
        "engine_cpu_ms": cpu_ms["process"],
        **worker,
    }


def timed(run: Callable[[], object], count: int) -> tuple[float, float]:
    """How many a second, and milliseconds of processor time for each."""
    started, cpu = time.perf_counter(), time.process_time()
    run()
    return count / (time.perf_counter() - started), (time.process_time() - cpu) / count * 1_000


def backlog(events: list[events_pb2.ProductEvent]) -> dict[str, Any]:
    """The rate at which a worker tags a backlog, and what each process uses for a product.

    Raises:
        CommandError: the worker ended, or needs too long.
    """
    local = LocalStack()
    with (
        local as settings,
        TemporaryDirectory() as logs,
        redis.Redis.from_url(settings.redis.url.get_secret_value()) as store,
    ):
        produced_cpu = produce(settings, [event.SerializeToString() for event in events])
        started = time.monotonic()
        child = start_program("worker", "work", settings, Path(logs), {})
        first_tags_s = 0.0
        pids = {"worker": child.pid, **{server.child.name: server.child.pid for server in local.servers}}
        try:
            marks: dict[float, tuple[float, dict[str, float]]] = {}
            give_up = time.monotonic() + _PATIENCE_S
            while _TO not in marks:
                time.sleep(_LOOK_EVERY_S)
                if not child.is_running:
                    raise CommandError(child.exit_report())
                done = stored(store) / len(events)
                if done and not first_tags_s:
                    first_tags_s = time.monotonic() - started
                if time.monotonic() > give_up:
                    msg = f"{done:.0%} of the products are tagged after {_PATIENCE_S:.0f} s"
                    raise CommandError(msg)
                for share in (_FROM, _TO):
                    if done >= share and share not in marks:
                        marks[share] = time.monotonic(), {name: cpu_seconds(pid) for name, pid in pids.items()}
            memory = memory_mb(child.pid)
        finally:
            child.stop()
    (began, cpu_began), (ended, cpu_ended) = marks[_FROM], marks[_TO]
    count = (_TO - _FROM) * len(events)  # the marks are not exact, but by less than a batch
    return {
        "first_tags_s": first_tags_s,
        "products_per_s": count / (ended - began),
        "cpu_ms": {
            **{name: (seconds - cpu_began[name]) / count * 1_000 for name, seconds in cpu_ended.items()},
            "publisher": produced_cpu / len(events) * 1_000,
        },
        "worker_memory_mb": memory,
    }


def stored(store: redis.Redis) -> int:
    """How many products have tags: the keys, without the marks of what is on its way."""
    return sum(1 for _ in store.scan_iter("ht:p:*", count=5_000))


def produce(settings: Settings, events: list[bytes]) -> float:
    """Produce the events in a process of their own, and return its processor time in seconds."""
    before = os.times().children_user + os.times().children_system
    child = multiprocessing.get_context("spawn").Process(target=publish, args=(settings, events))
    child.start()
    child.join()
    return os.times().children_user + os.times().children_system - before


def publish(settings: Settings, events: list[bytes]) -> None:
    with Publisher(settings.kafka) as publisher:
        for event in events:
            publisher.send(events_pb2.ProductEvent.FromString(event))
        publisher.finish()


def report(result: dict[str, Any]) -> None:
    table = Table("what", "products/s", "ms of a core")
    table.add_row("pipeline", f"{result['pipeline_per_s']:.0f}", "")
    table.add_row("text to tags in one process", f"{result['engine_per_s']:.0f}", f"{result['engine_cpu_ms']:.2f}")
    table.add_row("Kafka to Redis", f"{result['products_per_s']:.0f}", f"{result['cpu_ms']['worker']:.2f}")
    console = Console(stderr=True)
    console.print(table)
    for name in ("share_of_engine", "cpu_over_engine", "ratio_to_pipeline"):
        console.print(f"{name} {result[name]:.2f}")
    console.print(f"worker: first tags after {result['first_tags_s']:.1f} s")
    console.print(f"worker: {result['worker_memory_mb']['resident']:.0f} MB")


if __name__ == "__main__":
    main()
