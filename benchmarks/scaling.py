"""How the rate grows with workers: one and two are measured, 1 to 64 are computed for 100 million products.

    python -m benchmarks.scaling --data ../shared/data/marketplace-validation.jsonl.gz      # --quick: within 2 minutes

Starts a broker (Apache Kafka where KAFKA_HOME names a release), a cache, and one worker of one thread, then two, and
measures the rate between two tenths and nine tenths of what is tagged, with the processor time of each process. The
time of a batch is fitted to batches of 1 to 64 texts in this process, in one thread. What is computed is for workers
with a core each, so it rests on processor time, which other load disturbs little. `benchmarks/queueing.py` has the
formulas. Writes benchmarks/results/scaling.json.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import redis
from rich.console import Console
from rich.table import Table

from benchmarks.closing import add_results, measured_or_exit, write_results
from benchmarks.engine import some_texts, text_to_tags
from benchmarks.fleet import Program, wait_until_assigned
from benchmarks.machine import cpu_seconds, machine
from benchmarks.main_job import FEED, read
from benchmarks.queueing import Service, answer_s, backlog_s
from benchmarks.worker import produce, stored
from hangtag.cli.errors import CommandError
from hangtag.cli.local import LocalStack
from hangtag.cli.local.topics import PARTITIONS
from hangtag.tagger.tagger import Tagger
from hangtag.text.product_text import ProductText
from hangtag.v1 import events_pb2

FLEETS = (1, 2, 4, 8, 16, 32, 64)
BACKLOG = 100_000_000
_SIZES = (1, 2, 4, 8, 16, 32, 64)
# Of what the whole fleet can do, at which the time of an event is computed.
LOAD = 0.7
_FROM, _TO = 0.2, 0.9
_LOOK_EVERY_S = 0.1
_PATIENCE_S = 600.0
_ONE_THREAD = {"model.threads": "1", "model.engine": "cpu"}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=FEED, help="JSONL of products, also as .gz")
    parser.add_argument("--products", type=int, default=6_000)
    parser.add_argument("--rounds", type=int, default=5, help="of batches of each size")
    parser.add_argument("--quick", action="store_true", help="within 2 minutes: 1,500 products, 2 rounds")
    add_results(parser, "scaling")
    options = parser.parse_args()
    if options.quick:
        options.products, options.rounds = min(options.products, 1_500), min(options.rounds, 2)
    result = measured_or_exit(lambda: measured(options))
    write_results(result, options.results)
    report(result)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    service = service_of(some_texts(options.data, sum(_SIZES)), options.rounds)
    events = read(options.data, options.products)
    rates = {count: rate_of(count, events) for count in (1, 2)}
    cpu_ms = dict(rates[1]["cpu_ms"])
    of_core = 1_000 / cpu_ms.pop("workers")
    return {
        "machine": machine(),
        "products": options.products,
        "batch_ms": service.batch_s * 1_000,
        "product_ms": service.product_s * 1_000,
        "measured": {str(count): found for count, found in rates.items()},
        "two_over_one": rates[2]["products_per_s"] / rates[1]["products_per_s"],
        "on_paper": [on_paper(count, of_core, cpu_ms, service) for count in FLEETS],
    }


def service_of(texts: Sequence[ProductText], rounds: int) -> Service:
    """The processor time of a batch from text to tags, medians of the rounds."""
    tagger = Tagger.load("starter", "cpu", threads=1)
    with closing(tagger.engine):
        took: dict[int, list[float]] = {size: [] for size in _SIZES}
        for _ in range(rounds):
            start = 0
            for size in _SIZES:
                some = list(texts[start : start + size])
                start += size
                began = time.process_time()
                text_to_tags(tagger, some)
                took[size].append(time.process_time() - began)
    return Service.fitted(_SIZES, [statistics.median(took[size]) for size in _SIZES])


def rate_of(count: int, events: list[events_pb2.ProductEvent]) -> dict[str, Any]:
    """The rate of so many workers of one thread, and the processor time of each process for a product.

    Raises:
        CommandError: a worker ended, or it takes too long.
    """
    local = LocalStack()
    with local as settings, TemporaryDirectory() as folder:
        workers = [Program("work", f"worker-{number}", settings, Path(folder), _ONE_THREAD) for number in range(count)]
        pids = {worker.name: worker.child.pid for worker in workers}
        pids |= {server.child.name: server.child.pid for server in local.servers}
        try:
            wait_until_assigned(workers, PARTITIONS)
            produce(settings, [event.SerializeToString() for event in events])
            with redis.Redis.from_url(settings.redis.url.get_secret_value()) as store:
                marks = [_mark(store, workers, pids, len(events), share) for share in (_FROM, _TO)]
        finally:
            for worker in workers:
                worker.stop()
    (began, first, cpu_began), (ended, last, cpu_ended) = marks
    tagged = last - first
    cpu_ms = {name: (cpu_ended[name] - cpu_began[name]) / tagged * 1_000 for name in pids}
    of_workers = sum(cpu_ms.pop(worker.name) for worker in workers)
    return {"products_per_s": tagged / (ended - began), "cpu_ms": {"workers": of_workers, **cpu_ms}}


def _mark(
    store: redis.Redis, workers: list[Program], pids: dict[str, int], count: int, share: float
) -> tuple[float, int, dict[str, float]]:
    """When so much is tagged, how much exactly, and what each process has used by then."""
    give_up = time.monotonic() + _PATIENCE_S
    while (done := stored(store)) < share * count:
        for worker in workers:
            if not worker.child.is_running:
                raise CommandError(worker.child.exit_report())
        if time.monotonic() > give_up:
            msg = f"{done} of {count} products are tagged after {_PATIENCE_S:.0f} s"
            raise CommandError(msg)
        time.sleep(_LOOK_EVERY_S)
    return time.monotonic(), done, {name: cpu_seconds(pid) for name, pid in pids.items()}


def on_paper(count: int, of_core: float, shared_ms: dict[str, float], service: Service) -> dict[str, float]:
    """What so many workers do that tag `of_core` products a second each, with enough partitions.

    `shared_ms` is the processor time of store and broker for a product: they need that many cores beside the workers.
    """
    per_s = count * of_core
    return {
        "workers": count,
        "products_per_s": per_s,
        "backlog_hours": backlog_s(BACKLOG, per_s) / 3_600,
        **{f"cores_of_{name}": per_s * ms / 1_000 for name, ms in shared_ms.items()},
        "live_per_s": LOAD * per_s,
        "answer_ms": answer_s(service, LOAD * service.most_per_s) * 1_000,
        "backlog_hours_beside_live": backlog_s(BACKLOG, per_s, LOAD * per_s) / 3_600,
    }


def report(result: dict[str, Any]) -> None:
    console = Console(stderr=True, width=140)
    console.print(f"a batch of n products: {result['batch_ms']:.1f} ms + n * {result['product_ms']:.1f} ms")
    table = Table("measured: workers", "products/s", "ms of a core: workers", "others")
    for count, found in result["measured"].items():
        others = {name: ms for name, ms in found["cpu_ms"].items() if name != "workers"}
        shown = ", ".join(f"{name} {ms:.2f}" for name, ms in others.items())
        table.add_row(count, f"{found['products_per_s']:.0f}", f"{found['cpu_ms']['workers']:.2f}", shown)
    console.print(table)
    console.print(f"two over one: {result['two_over_one']:.2f}")
    names = list(result["on_paper"][0])
    table = Table(*(name.replace("_", " ") for name in names), title=f"on paper, {BACKLOG:,} products, load {LOAD:.0%}")
    for row in result["on_paper"]:
        table.add_row(*(f"{row[name]:,.0f}" if row[name] >= 10 else f"{row[name]:.2g}" for name in names))
    console.print(table)


if __name__ == "__main__":
    main()
