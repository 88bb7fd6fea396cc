"""How long `hangtag rebuild` takes for an empty and for a full store, and `hangtag verify`; and their memory.

    KAFKA_HOME=... python -m benchmarks.rebuild --products 100000

Starts a broker (Apache Kafka where KAFKA_HOME names a release, else Tansu) and Valkey on this machine and fills
products.tagged with products of a usual size: eight tags, some of them tagged twice, some deleted. Then it runs the
commands as processes of their own, as an operator does.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import redis
from rich.console import Console
from rich.progress import track
from rich.table import Table

from hangtag.cli.local import create_topics, start_broker, start_valkey
from hangtag.cli.local.broker import broker_kind
from hangtag.kafka.options import kafka_options
from hangtag.kafka.producer import Producer
from hangtag.settings import KafkaSettings
from hangtag.store import Entry
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.write import Update, record_of

BUNDLE = "5f" * 32
FACETS = ("segment", "family", "class", "audience", "color", "material", "season", "style")
# One product in 50 was tagged again, one in 100 deleted.
AGAIN, DELETED = 50, 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        start_valkey(Path(name)) as valkey,
        start_broker(broker_kind(), Path(name)) as broker,
        redis.Redis.from_url(valkey.url) as client,
    ):
        settings = KafkaSettings(bootstrap=broker.url)
        create_topics(settings)
        fill(settings, options.products)
        environment = {"HANGTAG_KAFKA__BOOTSTRAP": broker.url, "HANGTAG_REDIS__URL": valkey.url}
        result = measure(client, environment, options.runs)
    report({"broker": broker_kind(), "products": options.products, **result})


def entries(products: int) -> Iterator[Entry]:
    """The records of the topic in their order."""
    for number in range(products):
        yield entry(number, 1_700_000_000_000 + number)
        if number % AGAIN == 0 and number:
            yield entry(number - AGAIN // 2, 1_700_000_000_000 + products + number)
        if number % DELETED == 0 and number:
            yield Entry.deletion(product(number - 1), 1_700_000_000_000 + products + number)


def product(number: int) -> str:
    return f"SKU-{number:010d}"


def entry(number: int, version: int) -> Entry:
    tags = tuple(
        ScoredTag(f"{facet}:value {(number * 7 + place) % 97}", 0.5 + (number + place) % 50 / 100, Source.MODEL, band)
        for place, facet in enumerate(FACETS)
        for band in [Band.AUTO if place < 6 else Band.REVIEW]
    )
    found = TagSet(tags[:6], tags[6:])
    return Update(product(number), version, found, BUNDLE, 1, number.to_bytes(16, "big"), version).entry()


def fill(settings: KafkaSettings, products: int) -> None:
    producer = Producer(**kafka_options(settings, "benchmark"), linger_ms=20, batch_size=262_144)
    console = Console(stderr=True)
    for each in track(entries(products), "filling products.tagged", total=products, console=console, transient=True):
        key, value, headers = record_of(each)
        producer.send(settings.tagged_topic, key=key, value=value, headers=list(headers))
    producer.flush(600)
    producer.close()


def measure(client: redis.Redis, environment: dict[str, str], runs: int) -> dict[str, object]:
    empty: list[tuple[float, float]] = []
    for _ in range(runs):
        client.flushall()
        empty.append(run("rebuild", environment))
    full = [run("rebuild", environment) for _ in range(runs)]
    verify = [run("verify", environment) for _ in range(runs)]
    return {
        "keys": client.dbsize(),
        **seconds("rebuild_empty", empty),
        **seconds("rebuild_full", full),
        **seconds("verify", verify),
        "peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def seconds(name: str, runs: list[tuple[float, float]]) -> dict[str, float]:
    wall, cpu = zip(*runs, strict=True)
    return {f"{name}_s": statistics.median(wall), f"{name}_cpu_s": statistics.median(cpu)}


def run(command: str, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds from the start of the process to its end, and of processor time in it; both with the start of Python."""
    started, before = time.monotonic(), os.times()
    done = subprocess.run(
        [sys.executable, "-m", "hangtag.cli", command],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    wall, after = time.monotonic() - started, os.times()
    sys.stderr.write(done.stdout)
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu


def report(result: dict[str, object]) -> None:
    table = Table("what", "value")
    for name, value in result.items():
        table.add_row(name.replace("_", " "), f"{value:,.1f}" if isinstance(value, float) else str(value))
    Console(stderr=True).print(table)
    sys.stdout.write(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode() + "\n")


if __name__ == "__main__":
    main()
