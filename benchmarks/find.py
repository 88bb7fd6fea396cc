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
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import numpy as np
import orjson
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kafka import KafkaProducer
from rich.console import Console
from rich.table import Table

from benchmarks.find_catalogue import SIZES, product_id, write_catalogue
from benchmarks.find_load import at_rate, capacity, one_at_a_time, p99, until_found
from benchmarks.fleet import Program, stack, total
from benchmarks.lookups import Lookups
from hangtag.cli.errors import CommandError
from hangtag.cli.local import create_topics, free_port
from hangtag.cli.stopping import Stopped, stopping
from hangtag.kafka.tagged_topic import topic_id
from hangtag.records import TaggedProduct, encode_tags
from hangtag.settings import Settings
from hangtag.store import Entry, RedisTagStore
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.write import record_of

ROOT = Path(__file__).resolve().parent.parent
PARTITIONS = 6
_PATIENCE_S = 600.0
_BUNDLE = "ab" * 32
# Look-ups a second beside searches: far below what a server can do, on a machine that also searches.
_LOOKUPS_PER_S = 200.0


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.find", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--products", type=int, nargs="+", help="sizes of the catalogue")
    parser.add_argument("--searches", type=int, help="of each number of tags")
    parser.add_argument("--replayed", type=int, help="records of the topic that is read from its beginning")
    parser.add_argument("--quick", action="store_true", help="within 3 minutes: one size, fewer searches and records")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results/find.json")
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
    except Stopped:
        sys.exit(130)
    except CommandError as error:
        sys.exit(str(error))
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    report(result)


def measure(settings: Settings, folder: Path, products: int, searches: int, seconds: float) -> dict[str, Any]:
    """Everything about one size of the catalogue.

    Raises:
        CommandError: a program ended or is not ready in time.
    """
    kafka = settings.kafka.model_copy(update={"tagged_topic": f"tagged-{products}"})
    create_topics(kafka)
    settings = settings.model_copy(update={"kafka": kafka})
    snapshots = folder / str(products)
    write_catalogue(snapshots / f"{kafka.tagged_topic}.snapshot", products, topic_id(kafka), PARTITIONS)
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
        found["lookup_p99_ms_beside"] = lookups_beside(settings, folder, address, per_s / 2, seconds)
        found |= fresh(settings, address, products, int(seconds * 20))
        found["memory_mb_after"] = total(program.surely(), "process_resident_memory_bytes") / 1e6
    return found


@contextmanager
def index(settings: Settings, folder: Path, snapshots: Path) -> Iterator[tuple[str, Program, float]]:
    """An index process that is complete: its address, the program, and the seconds from its start until then."""
    port = free_port()
    more = {
        "kafka.tagged_topic": settings.kafka.tagged_topic,
        "index.port": str(port),
        "index.snapshot_dir": str(snapshots),
    }
    started = time.monotonic()
    program = Program("index", f"index-{settings.kafka.tagged_topic}", settings, folder, more)
    try:
        wait_until_serving(f"127.0.0.1:{port}", program)
        yield f"127.0.0.1:{port}", program, time.monotonic() - started
    finally:
        program.stop()


def wait_until_serving(address: str, program: Program) -> None:
    """Wait for its health.

    Raises:
        CommandError: it ended, or takes too long.
    """
    give_up = time.monotonic() + _PATIENCE_S
    with grpc.insecure_channel(address, [("grpc.max_reconnect_backoff_ms", 200)]) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        while time.monotonic() < give_up:
            if not program.child.is_running:
                raise CommandError(program.child.exit_report())
            try:
                if health.Check(health_pb2.HealthCheckRequest(), timeout=1).status == 1:
                    return
            except grpc.RpcError:
                pass
            time.sleep(0.05)
    msg = f"{program.name} is not ready after {_PATIENCE_S:.0f} s\n{program.child.tail()}"
    raise CommandError(msg)


def warm_up(address: str) -> None:
    """Search for every common tag once, as any traffic soon does."""
    for tags in (1, 2):
        one_at_a_time(address, tags, 300, 99)


def lookups_beside(settings: Settings, folder: Path, address: str, per_s: float, seconds: float) -> float:
    """The 99th percentile of look-ups of a server, while the index is at half load, in ms."""
    store = RedisTagStore(settings.redis)
    store.write([entry(product_id(number), 1, {"color:v1": 0.9}) for number in range(1_000)])
    store.close()
    port = free_port()
    more = {
        "server.port": str(port),
        "server.index_address": address,
        "kafka.tagged_topic": settings.kafka.tagged_topic,
    }
    server = Program("serve", f"server-{settings.kafka.tagged_topic}", settings, folder, more)
    try:
        wait_until_serving(f"127.0.0.1:{port}", server)
        rng = np.random.default_rng(3)
        with Lookups(f"127.0.0.1:{port}", lambda: product_id(int(rng.integers(1_000))), _LOOKUPS_PER_S) as lookups:
            at_rate(address, per_s, seconds)
            return lookups.since_last()["lookup_p99_ms"]
    finally:
        server.stop()


def fresh(settings: Settings, address: str, products: int, count: int) -> dict[str, float]:
    """From producing to finding at 20 a second, alone and while 200 products a second are tagged again."""
    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap, linger_ms=0)
    topic = settings.kafka.tagged_topic

    def send(made: Entry) -> None:
        record = record_of(made)
        producer.send(topic, key=record.key, value=record.value, headers=list(record.headers))

    alone = until_found(address, lambda n: send(entry(f"fresh-{n}", 1, {"fresh:yes": 0.9})), 20, count)
    stop = threading.Event()

    def tag_again() -> None:
        rng = np.random.default_rng(5)
        started, sent = time.monotonic(), 0
        while not stop.wait(max(0.0, started + sent / 200 - time.monotonic())):
            sent += 1
            tags = {f"{facet}:v{int(rng.integers(size))}": 0.9 for facet, size in SIZES.items()}
            send(entry(product_id(int(rng.integers(products))), 1, tags, sequence=1))

    thread = threading.Thread(target=tag_again)
    thread.start()
    beside = until_found(address, lambda n: send(entry(f"again-{n}", 1, {"fresh:yes": 0.9})), 20, count)
    during = p99(one_at_a_time(address, 2, count, 11))
    stop.set()
    thread.join()
    producer.close()
    return {"fresh_p99_ms": p99(alone), "fresh_p99_ms_retagging": p99(beside), "find_p99_ms_retagging": during}


def replay(settings: Settings, folder: Path, records: int) -> dict[str, float]:
    """How fast an index reads a topic from its beginning."""
    kafka = settings.kafka.model_copy(update={"tagged_topic": "tagged-replay"})
    create_topics(kafka)
    rng = np.random.default_rng(2)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, linger_ms=50, batch_size=256 * 1024)
    sets = [
        {f"{facet}:v{int(rng.integers(size))}": float(rng.random()) for facet, size in SIZES.items()}
        for _ in range(1_000)
    ]
    for number in range(records):
        record = record_of(entry(product_id(number), 1_700_000_000_000 + number, sets[number % 1_000]))
        producer.send(kafka.tagged_topic, key=record.key, value=record.value, headers=list(record.headers))
    producer.flush(60)
    producer.close()
    with index(settings.model_copy(update={"kafka": kafka}), folder, folder / "replay") as (_, program, _):
        lines = program.child.log.read_text("utf-8").splitlines()
        [complete] = [found for line in lines if (found := orjson.loads(line)).get("event") == "index_complete"]
        if complete["products"] != records:
            msg = f"{complete['products']:,} of {records:,} products are in the index"
            raise CommandError(msg)
        return {"replayed": records, "replay_records_per_s": records / complete["seconds"]}


def entry(product: str, version: int, tags: dict[str, float], sequence: int = 0) -> Entry:
    """The entry of a product with these AUTO tags."""
    scored = tuple(ScoredTag(tag, confidence, Source.MODEL, Band.AUTO) for tag, confidence in tags.items())
    payload = encode_tags(TaggedProduct(product, version, TagSet(scored, ()), _BUNDLE, 1_700_000_000_000))
    return Entry(product, version, payload, sequence=sequence)


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
        ("lookup_p99_ms_beside", "look-up beside, p99, ms"),
        ("fresh_p99_ms", "produced to found, p99, ms"),
        ("fresh_p99_ms_retagging", "the same beside 200 re-tags/s, ms"),
        ("find_p99_ms_retagging", "search for 2 tags beside 200 re-tags/s, p99, ms"),
        ("memory_mb", "memory, MB"),
        ("start_from_snapshot_s", "start from the snapshot, s"),
    ):
        table.add_row(label, *(f"{result['products'][name][key]:,.1f}" for name in names))
    Console(stderr=True).print(table)
    say(f"{result['replayed']:,} records read at {result['replay_records_per_s']:,.0f}/s from {result['broker']}")


if __name__ == "__main__":
    main()
