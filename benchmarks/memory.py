"""How much memory worker and server need: when they are ready, and after 12,000 products.

    make bench-memory                  # QUICK=1: within 50 s
    python -m benchmarks.memory --data ../shared/data/marketplace-validation.jsonl.gz

Starts a broker, a cache, and the programs of the demo on this machine. The worker tags a backlog; then all products are
looked up in batches of 100, and short texts and products get suggestions. Resident memory counts pages of libraries
that processes share, unique memory does not. Writes benchmarks/results/memory.json, in MB of 10^6 bytes. For Linux.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import redis
from rich.console import Console
from rich.table import Table

from benchmarks.closing import add_results, measured_or_exit, write_results
from benchmarks.machine import machine, memory_mb
from benchmarks.main_job import FEED, read
from benchmarks.worker import produce, stored
from hangtag.cli.demo.programs import Programs, programs
from hangtag.cli.errors import CommandError
from hangtag.cli.local import LocalStack
from hangtag.settings import Settings
from hangtag.v1 import events_pb2, tags_pb2, tags_pb2_grpc

_PATIENCE_S = 600.0
_LOOK_EVERY_S = 0.2
_TIMEOUT_S = 60.0
_LOOKED_UP = 100
_SUGGESTED = 20
# Every so many products one gets suggestions for its title, and for all of its text.
_EACH = 20


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=FEED, help="JSONL of products, also as .gz")
    parser.add_argument("--products", type=int, default=12_000)
    parser.add_argument("--quick", action="store_true", help="within 50 s: 2,000 products")
    add_results(parser, "memory")
    options = parser.parse_args()
    if options.quick:
        options.products = min(options.products, 2_000)
    result = measured_or_exit(lambda: measured(options))
    write_results(result, options.results)
    report(result)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Memory of both programs by stage."""
    events = read(options.data, options.products)
    with (
        LocalStack() as settings,
        TemporaryDirectory() as logs,
        closing(redis.Redis.from_url(settings.redis.url.get_secret_value())) as store,
        programs(settings, Path(logs)) as running,
    ):
        running.wait_for_server(meanwhile=lambda: None)
        tag(settings, running, store, events[:1])  # the worker has its partitions
        ready = memories(running)
        tag(settings, running, store, events)
        tagged = memories(running)
        call(f"{running.host}:{running.port}", events)
        called = memories(running)
    return {
        "machine": machine(),
        "products": len(events),
        "worker": {"ready": ready["worker"], "products_tagged": tagged["worker"]},
        "server": {"ready": ready["server"], "products_tagged": tagged["server"], "calls_answered": called["server"]},
    }


def memories(running: Programs) -> dict[str, dict[str, float]]:
    return {name: memory_mb(getattr(running, name).pid) for name in ("worker", "server")}


def tag(settings: Settings, running: Programs, store: redis.Redis, events: list[events_pb2.ProductEvent]) -> None:
    """Produce events, and wait until all products have tags.

    Raises:
        CommandError: a program ended, or it takes too long.
    """
    produce(settings, [event.SerializeToString() for event in events])
    wait(running, lambda: stored(store) >= len(events), "the products are not tagged")


def wait(running: Programs, is_done: Callable[[], bool], otherwise: str) -> None:
    give_up = time.monotonic() + _PATIENCE_S
    while not is_done():
        running.check()
        if time.monotonic() > give_up:
            msg = f"{otherwise} after {_PATIENCE_S:.0f} s"
            raise CommandError(msg)
        time.sleep(_LOOK_EVERY_S)


def call(address: str, events: list[events_pb2.ProductEvent]) -> None:
    """Look all products up, and ask for suggestions for some."""
    some = [event.product for event in events[::_EACH]]
    texts = [tags_pb2.SuggestTagsRequest(text=each.title) for each in some]
    texts += [tags_pb2.SuggestTagsRequest(text=each.title, description=each.description) for each in some]
    with grpc.insecure_channel(address) as channel:
        stub = tags_pb2_grpc.TagServiceStub(channel)
        for start in range(0, len(events), _LOOKED_UP):
            ids = [event.product.product_id for event in events[start : start + _LOOKED_UP]]
            stub.BatchGetProductTags(tags_pb2.BatchGetProductTagsRequest(product_ids=ids), timeout=_TIMEOUT_S)
        for start in range(0, len(texts), _SUGGESTED):
            request = tags_pb2.BatchSuggestTagsRequest(texts=texts[start : start + _SUGGESTED])
            stub.BatchSuggestTags(request, timeout=_TIMEOUT_S)


def report(result: dict[str, Any]) -> None:
    table = Table("program", "after", "resident MB", "unique MB", "most MB")
    for program in ("worker", "server"):
        for stage, found in result[program].items():
            figures = (f"{found[name]:.0f}" for name in ("resident", "unique", "most"))
            table.add_row(program, stage.replace("_", " "), *figures)
    Console(stderr=True).print(table)


if __name__ == "__main__":
    main()
