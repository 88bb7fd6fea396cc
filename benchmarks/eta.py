"""How good the estimates are of when products get their tags, with a real queue in front of several workers.

    KAFKA_HOME=/opt/kafka python -m benchmarks.eta --records 15000 --workers 2

Starts a broker, a store and `hangtag arrivals`, queues the events, and starts the workers. Every second some products
that still wait are looked up, and the server's own estimate is noted. The timestamps of products.tagged say when their
tags came.
"""

import argparse
import random
import sys
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.fleet import Program, stack, total
from benchmarks.main_job import FEED, read
from hangtag.cli.errors import CommandError
from hangtag.cli.stopping import Stopped, stopping
from hangtag.cli.topic import TopicReader
from hangtag.kafka.options import kafka_options
from hangtag.kafka.producer import Producer
from hangtag.server.eta import Eta
from hangtag.settings import Settings
from hangtag.store import ProgressReader, RedisTagReader
from hangtag.telemetry.clock import SystemClock

_SAMPLED = 60
_EVERY_S = 0.9
_REFRESH_S = 1.0
_READ_AT_ONCE = 500
_PATIENCE_S = 600.0
# Seconds until the tags came, from and below which the estimates are shown apart.
_HORIZONS = (0, 3, 10, 30, 1_000)


class Sample(NamedTuple):
    """An estimate: of which product, made when (seconds since 1970), and how long (None: not known)."""

    product: str
    at_s: float
    eta_s: float | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=15_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    parser.add_argument("--samples", type=Path, help="write every estimate to this file, for a closer look")
    options = parser.parse_args()
    try:
        with stopping(), TemporaryDirectory() as folder, stack() as settings:
            samples, tagged = run(settings, options.records, options.workers, Path(folder))
    except Stopped:
        sys.exit(130)
    except CommandError as error:
        sys.exit(str(error))
    if options.samples is not None:
        options.samples.write_bytes(orjson.dumps([[*each, tagged[each.product]] for each in samples]))
    report(options, samples, tagged)


def run(settings: Settings, records: int, workers: int, folder: Path) -> tuple[list[Sample], dict[str, float]]:
    """The estimates, and when each product got its tags, in seconds since 1970.

    Raises:
        CommandError: a program ended, or does not get on.
    """
    events = read(FEED, records)
    # As shops send them: in batches of the usual size.
    producer = Producer(**kafka_options(settings.kafka, "benchmark"))
    for event in events:
        headers = [("content-type", b"application/x-protobuf")]
        key = event.product.product_id.encode()
        producer.send(settings.kafka.events_topic, key=key, value=event.SerializeToString(), headers=headers)
    producer.flush(60)
    producer.close()
    programs = [Program("arrivals", "arrivals", settings, folder, {})]
    try:
        wait_until_marked(programs[0], records)
        programs += [
            Program("work", f"worker-{number}", settings, folder, {"model.threads": "1"}) for number in range(workers)
        ]
        samples = watch(settings, [event.product.product_id for event in events], programs)
    finally:
        for program in programs:
            program.child.ask_to_stop()
        for program in programs:
            program.stop()
    with TopicReader(settings.kafka, settings.kafka.tagged_topic) as reader:
        tagged = {record.key.decode(): record.timestamp / 1_000 for record in reader.until_end()}
    return samples, tagged


def wait_until_marked(program: Program, records: int) -> None:
    give_up = time.monotonic() + _PATIENCE_S
    while total(program.samples(), "hangtag_arrivals_read_total") < records:
        if time.monotonic() > give_up:
            msg = f"not all is marked after {_PATIENCE_S:.0f} s\n{program.child.tail()}"
            raise CommandError(msg)
        time.sleep(_EVERY_S)


def watch(settings: Settings, products: Sequence[str], programs: Sequence[Program]) -> list[Sample]:
    """Estimates of some products that wait, every second until none does."""
    eta, done = Eta(ProgressReader(settings.redis), SystemClock()), threading.Event()
    refreshing = threading.Thread(target=refresh, args=(eta, done), daemon=True)
    refreshing.start()
    try:
        return sample(settings, eta, products, programs)
    finally:
        done.set()
        refreshing.join()


def refresh(eta: Eta, done: threading.Event) -> None:
    """Once a second, as a server does."""
    while not done.wait(_REFRESH_S):
        eta.refresh()


def sample(settings: Settings, eta: Eta, products: Sequence[str], programs: Sequence[Program]) -> list[Sample]:
    reader, dice, samples, waiting = RedisTagReader(settings.redis), random.Random(0), list[Sample](), list(products)
    give_up = time.monotonic() + _PATIENCE_S
    while waiting:
        time.sleep(_EVERY_S)
        for program in programs:
            if not program.child.is_running:
                raise CommandError(program.child.exit_report())
        if time.monotonic() > give_up:
            msg = f"{len(waiting)} products have no tags after {_PATIENCE_S:.0f} s\n{programs[-1].child.tail()}"
            raise CommandError(msg)
        chunks = [waiting[start : start + _READ_AT_ONCE] for start in range(0, len(waiting), _READ_AT_ONCE)]
        stored = {
            product: found for chunk in chunks for product, found in zip(chunk, reader.read(chunk).stored, strict=True)
        }
        waiting = [product for product, found in stored.items() if found.version is None]
        for product in dice.sample(waiting, min(_SAMPLED, len(waiting))):
            seen = stored[product].seen
            found = None if seen is None else eta.of(seen)
            samples.append(Sample(product, time.time(), None if found is None else found / 1_000))
        print(f"{len(waiting)} wait", end="\r", file=sys.stderr)
    reader.close()
    return samples


def report(options: argparse.Namespace, samples: Sequence[Sample], tagged: dict[str, float]) -> None:
    made = [(each.eta_s, tagged[each.product] - each.at_s) for each in samples if each.eta_s is not None]
    # Tags are produced a moment after they are stored: what was seen without tags waited, if only a little.
    made = [(eta_s, max(actual_s, 0.001)) for eta_s, actual_s in made]
    table = Table("seconds until the tags", "estimates", "within a factor of two", "too short", "too long")
    rows = {}
    for low, high in [*pairwise(_HORIZONS), (0, _HORIZONS[-1])]:
        some = [(eta_s, actual_s) for eta_s, actual_s in made if low <= actual_s < high]
        if not some:
            continue
        short = sum(eta_s < actual_s / 2 for eta_s, actual_s in some) / len(some)
        long = sum(eta_s > actual_s * 2 for eta_s, actual_s in some) / len(some)
        name = (
            "all"
            if (low, high) == (0, _HORIZONS[-1])
            else f"{low} to {high}"
            if high < _HORIZONS[-1]
            else f"from {low}"
        )
        rows[name] = {"estimates": len(some), "within": 1 - short - long, "short": short, "long": long}
        table.add_row(name, f"{len(some):,}", *(f"{share:.1%}" for share in (1 - short - long, short, long)))
    Console(stderr=True).print(table)
    unknown = sum(each.eta_s is None for each in samples) / len(samples)
    span_s = max(tagged.values()) - min(tagged.values())
    result = {
        "records": options.records,
        "workers": options.workers,
        "tagged_in_s": span_s,
        "not_known": unknown,
        "by_seconds": rows,
    }
    text = orjson.dumps(result, option=orjson.OPT_INDENT_2).decode() + "\n"
    sys.stdout.write(text)
    if options.json is not None:
        options.json.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
