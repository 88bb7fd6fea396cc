"""How fast the index answers searches, at several sizes of the catalogue, and how soon it has what changes.

    make bench-find            # QUICK=1: within 3 minutes, 1,000,000 products only

Starts a broker (Apache Kafka where KAFKA_HOME names a release, else Tansu), a store and a server on this machine, and
for each size an index that reads a generated catalogue from its snapshot. Every search asks for the best 20 products
and counts all eight facets, over gRPC. Then an index reads a topic from its beginning. Writes
benchmarks/results/find.json.
"""

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.closing import add_results, write_results
from benchmarks.find_beside import lookups_beside
from benchmarks.find_catalogue import write_catalogue
from benchmarks.find_changes import fresh, replay
from benchmarks.find_index import index
from benchmarks.find_load import at_rate, capacity, one_at_a_time, p99, similar_one_at_a_time
from benchmarks.find_recall import BOOSTED, recall
from benchmarks.fleet import stack, total
from hangtag.cli.errors import CommandError
from hangtag.cli.local import create_topics
from hangtag.cli.stopping import Stopped, stopping
from hangtag.kafka.tagged_topic import topic_id
from hangtag.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PARTITIONS = 6
# Orders by many tags are compared with exact ones up to this size: that takes the catalogue's memory once more.
_COMPARED = 1_000_000
# The size whose figures are repeated at the top of the results, and the one for the local broker.
_MAIN, _SMALL = 1_000_000, 100_000
_HEADLINES = (
    "find_p99_ms",
    "find_half_load_p99_ms",
    "lookup_p99_ms_beside",
    "memory_mb",
    "fresh_p99_ms",
    "fresh_p99_ms_retagging",
    "similar_p99_ms",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.find", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--products", type=int, nargs="+", help="sizes of the catalogue")
    parser.add_argument("--searches", type=int, help="of each number of tags")
    parser.add_argument("--replayed", type=int, help="records of the topic that is read from its beginning")
    parser.add_argument("--quick", action="store_true", help="within 3 minutes: one size, fewer searches and records")
    add_results(parser, "find")
    options = parser.parse_args()
    sizes = options.products or ([1_000_000] if options.quick else [100_000, 1_000_000, 10_000_000])
    searches = options.searches or (300 if options.quick else 2_000)
    replayed = options.replayed or (50_000 if options.quick else 1_000_000)
    seconds = 5.0 if options.quick else 20.0
    result: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "broker": "Apache Kafka" if os.environ.get("KAFKA_HOME") else "Tansu",
        "searches": searches,
        "products": {},
    }
    try:
        with stopping(), TemporaryDirectory() as folder, stack() as settings:
            for size in sizes:
                say(f"{size:,} products")
                result["products"][str(size)] = measure(settings, Path(folder), size, searches, seconds)
            say(f"reading {replayed:,} records")
            result |= replay(settings, Path(folder), replayed)
        if "KAFKA_HOME" in os.environ:
            say("freshness with the local broker")
            with TemporaryDirectory() as folder, without_kafka_home(), stack() as settings:
                result["tansu"] = freshness(settings, Path(folder), _SMALL, seconds)
    except Stopped:
        sys.exit(130)
    except CommandError as error:
        sys.exit(str(error))
    main_size = str(_MAIN if _MAIN in sizes else sizes[-1])
    result |= {name: result["products"][main_size][name] for name in _HEADLINES}
    write_results(result, options.results)
    report(result)


def measure(settings: Settings, folder: Path, products: int, searches: int, seconds: float) -> dict[str, Any]:
    """Everything about one size of the catalogue.

    Raises:
        CommandError: a program ended or is not ready in time.
    """
    settings, snapshots = prepared(settings, folder, products)
    with index(settings, folder, snapshots) as (address, program, seconds_to_start):
        warm_up(address)
        found: dict[str, Any] = {
            "start_from_snapshot_s": seconds_to_start,
            "memory_mb": total(program.surely(), "process_resident_memory_bytes") / 1e6,
            "find_p99_ms": {str(tags): p99(one_at_a_time(address, tags, searches, tags)) for tags in range(1, 5)},
            "find_p50_ms": {
                str(tags): float(np.median(one_at_a_time(address, tags, searches // 3, 9))) for tags in range(1, 5)
            },
        }
        per_s = capacity(address, seconds)
        found |= {"finds_per_s": per_s, "find_half_load_p99_ms": p99(at_rate(address, per_s / 2, seconds))}
        found["similar_p99_ms"] = p99(similar_one_at_a_time(address, products, searches, 13))
        if products <= _COMPARED:
            found["ordered_by_many_tags"] = recall(address, products, max(10, searches // 20))
        found |= lookups_beside(settings, folder, address, per_s / 2, seconds)
        found |= fresh(settings, address, products, int(seconds * 20))
        found["memory_mb_after"] = total(program.surely(), "process_resident_memory_bytes") / 1e6
    return found


def prepared(settings: Settings, folder: Path, products: int) -> tuple[Settings, Path]:
    """An empty topic and the snapshot of a catalogue: the settings of the one, and the folder of the other."""
    kafka = settings.kafka.model_copy(update={"tagged_topic": f"tagged-{products}"})
    create_topics(kafka)
    snapshots = folder / str(products)
    write_catalogue(snapshots / f"{kafka.tagged_topic}.snapshot", products, topic_id(kafka), PARTITIONS)
    return settings.model_copy(update={"kafka": kafka}), snapshots


def freshness(settings: Settings, folder: Path, products: int, seconds: float) -> dict[str, float]:
    """From producing to finding, at one size of the catalogue.

    Raises:
        CommandError: a program ended or is not ready in time.
    """
    settings, snapshots = prepared(settings, folder, products)
    with index(settings, folder, snapshots) as (address, _, _):
        return fresh(settings, address, products, int(seconds * 20))


@contextmanager
def without_kafka_home() -> Iterator[None]:
    """Brokers that are started meanwhile are the local ones."""
    home = os.environ.pop("KAFKA_HOME")
    try:
        yield
    finally:
        os.environ["KAFKA_HOME"] = home


def warm_up(address: str) -> None:
    """Search for every common tag once, as any traffic soon does."""
    for tags in (1, 2):
        one_at_a_time(address, tags, 300, 99)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def report(result: dict[str, Any]) -> None:
    names = [*result["products"]]
    table = Table("", *(f"{int(name):,} products" for name in names))
    for tags in range(1, 5):
        row = (f"{result['products'][name]['find_p99_ms'][str(tags)]:.1f}" for name in names)
        table.add_row(f"search for {tags} tags, p99, ms", *row)
    for key, label in (
        ("find_half_load_p99_ms", "search at half load, p99, ms"),
        ("finds_per_s", "searches/s"),
        ("lookup_p99_ms_idle", "look-up while the index is idle, p99, ms"),
        ("lookup_p99_ms_beside", "look-up beside searches at half load, p99, ms"),
        ("similar_p99_ms", "similar products, p99, ms"),
        ("fresh_p99_ms", "produced to found, p99, ms"),
        ("fresh_p99_ms_retagging", "the same beside 200 re-tags/s, ms"),
        ("find_p99_ms_retagging", "search for 2 tags beside 200 re-tags/s, p99, ms"),
        ("memory_mb", "memory, MB"),
        ("memory_mb_after", "memory after the changes, MB"),
        ("start_from_snapshot_s", "start from the snapshot, s"),
    ):
        table.add_row(label, *(f"{result['products'][name][key]:,.1f}" for name in names))
    for tags in BOOSTED:
        orders = (result["products"][name].get("ordered_by_many_tags", {}).get(str(tags)) for name in names)
        table.add_row(
            f"all products ordered by {tags} tags", *("" if each is None else ordered(each) for each in orders)
        )
    Console(stderr=True).print(table)
    say(f"{result['replayed']:,} records read at {result['replay_records_per_s']:,.0f}/s from {result['broker']}")
    if "tansu" in result:
        say(f"produced to found with Tansu, p99: {result['tansu']['fresh_p99_ms']:.0f} ms")


def ordered(found: dict[str, Any]) -> str:
    """A cell about orders by many tags."""
    recall_at_20 = "" if found["recall_at_20"] is None else f", of these recall@20 {found['recall_at_20']:.3f}"
    return f"p99 {found['p99_ms']:.1f} ms, {found['sampled']:.0%} sampled{recall_at_20}"


if __name__ == "__main__":
    main()
