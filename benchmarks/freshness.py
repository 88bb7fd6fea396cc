"""From an event that is produced to tags that a look-up returns, on a system that is not busy.

    make bench-freshness            # QUICK=1: within 50 s

Starts a broker (Apache Kafka too where KAFKA_HOME names a release), a cache, a worker and a server on this machine, and
produces events of the built-in feed at each rate, at random moments. The ids that are waited for are looked up in one
batch again and again, and an event's time ends when a look-up has its version. Writes
benchmarks/results/freshness.json.
"""

import argparse
import os
import random
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from rich.console import Console
from rich.table import Table

from benchmarks.closing import add_results, measured_or_exit, write_results
from benchmarks.machine import machine
from benchmarks.main_job import FEED, read
from hangtag.cli.demo.programs import programs
from hangtag.cli.errors import CommandError
from hangtag.cli.local import LocalStack
from hangtag.kafka.options import kafka_options
from hangtag.kafka.producer import Producer
from hangtag.v1 import events_pb2, tags_pb2, tags_pb2_grpc

RATES = (5.0, 20.0)
_LOOK_EVERY_S = 0.001
_PATIENCE_S = 30.0
_PROTOBUF = [("content-type", b"application/x-protobuf")]


class Watch:
    """Looks up what is waited for, on a thread of its own."""

    def __init__(self, address: str) -> None:
        self.took_ms: list[float] = []
        self._sent: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, args=(address,), daemon=True)
        self._thread.start()

    def sent(self, product_id: str, version: int, at: float) -> None:
        """This version is produced now."""
        with self._lock:
            self._sent[product_id] = version, at

    @property
    def waiting(self) -> int:
        """Versions that no look-up has returned yet."""
        return len(self._sent)

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()

    def _look(self, address: str) -> None:
        with grpc.insecure_channel(address) as channel:
            stub = tags_pb2_grpc.TagServiceStub(channel)
            while not self._stop.wait(_LOOK_EVERY_S):
                with self._lock:
                    ids = list(self._sent)
                if not ids:
                    continue
                found = stub.BatchGetProductTags(tags_pb2.BatchGetProductTagsRequest(product_ids=ids), timeout=10)
                now = time.monotonic()
                with self._lock:
                    for product in found.products:
                        version, at = self._sent.get(product.product_id, (sys.maxsize, 0.0))
                        if product.version >= version:
                            self.took_ms.append((now - at) * 1_000)
                            del self._sent[product.product_id]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.freshness", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=2_000, help="at each rate")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="events/s")
    parser.add_argument("--quick", action="store_true", help="within 50 s: fewer events, one broker")
    add_results(parser, "freshness")
    options = parser.parse_args()
    result = measured_or_exit(lambda: by_broker(options))
    write_results(result, options.results)
    report(result)


def by_broker(options: argparse.Namespace) -> dict[str, Any]:
    """Percentiles of each broker, by rate."""
    home = os.environ.pop("KAFKA_HOME", None)
    brokers = ["tansu", "kafka"] if home else ["tansu"]
    if options.quick:
        brokers = brokers[-1:]
    result: dict[str, Any] = {"machine": machine()}
    for broker in brokers:
        if broker == "kafka" and home:
            os.environ["KAFKA_HOME"] = home
        result[broker] = measure(options.rates, 125 if options.quick else options.events, quick=options.quick)
    return result


def measure(rates: Sequence[float], count: int, *, quick: bool) -> dict[str, dict[str, float]]:
    """Percentiles in milliseconds, by rate."""
    found = {}
    with TemporaryDirectory() as logs, LocalStack() as settings, programs(settings, Path(logs)) as running:
        running.wait_for_server(meanwhile=lambda: None)
        with closing(Producer(**kafka_options(settings.kafka, "bench"), linger_ms=0)) as producer:
            events = iter(read(FEED, 40 + (2 if quick else len(rates)) * count))
            topic = settings.kafka.events_topic
            # The first are tagged while the programs still start.
            timed(running, producer, topic, [next(events) for _ in range(40)], 40.0)
            for rate in rates:
                some = [next(events) for _ in range(round(count * rate / sum(rates) * 2) if quick else count)]
                found[f"{rate:g}"] = percentiles(timed(running, producer, topic, some, rate))
    return found


def timed(
    running: Any, producer: Producer, topic: str, events: list[events_pb2.ProductEvent], rate: float
) -> list[float]:
    """How long each event took, in milliseconds.

    Raises:
        CommandError: a program ended, or events are not tagged in time.
    """
    watch, moment = Watch(f"{running.host}:{running.port}"), random.Random(7)
    try:
        for event in events:
            time.sleep(moment.expovariate(rate))
            watch.sent(event.product.product_id, event.product.version, time.monotonic())
            producer.send(topic, event.SerializeToString(), event.product.product_id.encode(), _PROTOBUF)
        give_up = time.monotonic() + _PATIENCE_S
        while watch.waiting:
            running.check()
            if time.monotonic() > give_up:
                msg = f"{watch.waiting} events are not tagged after {_PATIENCE_S:.0f} s"
                raise CommandError(msg)
            time.sleep(0.05)
    finally:
        watch.close()
    return watch.took_ms


def percentiles(took_ms: Sequence[float]) -> dict[str, float]:
    ordered = sorted(took_ms)
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    return {"events": len(ordered), **{name: ordered[int(len(ordered) * share)] for name, share in shares.items()}}


def report(result: dict[str, Any]) -> None:
    table = Table("broker", "events/s", "events", "p50 ms", "p95 ms", "p99 ms")
    for broker in ("tansu", "kafka"):
        for rate, found in result.get(broker, {}).items():
            figures = (f"{found[name]:.0f}" for name in ("events", "p50_ms", "p95_ms", "p99_ms"))
            table.add_row(broker, rate, *figures)
    Console(stderr=True).print(table)


if __name__ == "__main__":
    main()
