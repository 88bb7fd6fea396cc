"""Whether a worker and a server run for a long time without using more and more, or falling behind.

    KAFKA_HOME=/opt/kafka python -m benchmarks.soak --minutes 30

Measures for five minutes how many products per second one worker can take while a server answers a light load of
look-ups, then sends 80 % of that. Every 5 s it records memory, open files, connections and threads of both programs,
the worker's lag, how long products wait for their tags, and how long look-ups take. Writes benchmarks/results/soak.json
and docs/reports/soak.png. Ctrl-C ends it early and writes what there is. Without KAFKA_HOME it uses the local broker.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.fleet import ROOT, Program, stack, total, wait_until_assigned
from benchmarks.lookups import Lookups
from benchmarks.main_job import FEED, read
from benchmarks.sampling import Row, Sampler
from benchmarks.stream import Stream
from benchmarks.trend import Trend, plot, trend
from hangtag.cli.errors import CommandError
from hangtag.cli.local import free_port
from hangtag.cli.local.topics import PARTITIONS
from hangtag.cli.publisher import Publisher
from hangtag.cli.stopping import Stopped, stopping
from hangtag.v1 import events_pb2

_PRODUCTS = 20_000
_BACKLOG = 4_000
_WARM_UP_SHARE = 0.25
_SETTLED = "hangtag_records_settled_total"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--capacity-s", type=float, default=300, help="seconds in which the capacity is measured")
    parser.add_argument("--load", type=float, default=0.8, help="share of the capacity that is sent")
    parser.add_argument("--every-s", type=float, default=5, help="seconds between two samples")
    parser.add_argument("--lookups-per-s", type=float, default=50)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results/soak.json")
    parser.add_argument("--plot", type=Path, default=ROOT / "docs/reports/soak.png")
    options = parser.parse_args()
    say(f"takes {options.minutes + options.capacity_s / 60 + 1:.0f} min in all")
    soak = Soak(options)
    code = 0
    try:
        with stopping():
            soak.run()
    except Stopped:
        code = 130
    except CommandError as error:
        say(str(error))
        code = 1
    if soak.rows:
        code = max(code, report(soak, options))
    sys.exit(code)


class Soak:
    """The run; `rows` are its samples so far."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._texts = read(FEED, 1_000)
        self._sent = 0
        self.capacity_per_s = 0.0
        self.per_s = 0.0
        self.rows: list[Row] = []

    def run(self) -> None:
        """Measure the capacity, then sample for `minutes`.

        Raises:
            CommandError: a program ended, or the brokers do not take the events.
        """
        options = self._options
        with ExitStack() as running:
            folder = Path(running.enter_context(TemporaryDirectory()))
            settings = running.enter_context(stack())

            def start(command: str, **more: str) -> Program:
                named = {name.replace("_", ".", 1): value for name, value in more.items()}
                program = Program(command, command, settings, folder, named)
                running.callback(program.stop)
                return program

            port = free_port()
            worker, server = start("work"), start("serve", server_host="127.0.0.1", server_port=str(port))
            wait_until_assigned([worker], PARTITIONS)
            lookups = running.enter_context(Lookups(f"127.0.0.1:{port}", self._any_id, options.lookups_per_s))
            with Publisher(settings.kafka) as publisher:
                self.capacity_per_s = self._capacity(publisher, worker)
            self.per_s = options.load * self.capacity_per_s
            say(
                f"capacity {self.capacity_per_s:.0f} products/s; sending {self.per_s:.0f}/s for {options.minutes:g} min"
            )
            sampler = Sampler(worker, server, lookups)
            sampler.row()  # the start of the first interval
            stream = running.enter_context(Stream(settings.kafka, self._next_event, self.per_s))
            started = time.monotonic()
            for number in range(1, int(options.minutes * 60 / options.every_s) + 1):
                time.sleep(max(0.0, started + number * options.every_s - time.monotonic()))
                stream.check()
                self.rows.append(sampler.row())
                say_progress(self.rows[-1], options.minutes)

    def _capacity(self, publisher: Publisher, worker: Program) -> float:
        """Products per second that the worker settles while enough of them wait; then none waits any more."""
        say(f"measuring the capacity for {self._options.capacity_s:.0f} s")
        started, first = time.monotonic(), (0.0, 0.0)
        while (took := time.monotonic() - started) < self._options.capacity_s:
            settled = total(worker.surely(), _SETTLED)
            if not first[0] and took > self._options.capacity_s / 4:
                first = took, settled
            for _ in range(int(settled) + _BACKLOG - self._sent):
                publisher.send(self._next_event(self._sent))
            time.sleep(0.1)
        settled = total(worker.surely(), _SETTLED)
        rate = (settled - first[1]) / (time.monotonic() - started - first[0])
        if not rate:
            msg = f"no product was settled in {self._options.capacity_s:.0f} s; choose a larger --capacity-s"
            raise CommandError(msg)
        publisher.finish()
        until(lambda: total(worker.surely(), _SETTLED) >= self._sent, "the worker does not settle what it was sent")
        return rate

    def _next_event(self, _: int) -> events_pb2.ProductEvent:
        event = self._texts[self._sent % len(self._texts)]
        event.product.product_id = f"soak-{self._sent % _PRODUCTS}"
        self._sent += 1
        event.product.version = self._sent
        return event

    def _any_id(self) -> str:
        return f"soak-{random.randrange(_PRODUCTS)}"


def until(condition: Callable[[], bool], otherwise: str, deadline_s: float = 120) -> None:
    give_up = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > give_up:
            raise CommandError(otherwise)
        time.sleep(0.2)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def say_progress(row: Row, minutes: float) -> None:
    say(
        f"{row['at_s'] / 60:.1f} of {minutes:g} min: {row['settled_per_s']:.0f} products/s, "
        f"lag {row['lag_records']:.0f}, tags p99 {row['tags_p99_s']:.2f} s, look-up p99 {row['lookup_p99_ms']:.1f} ms, "
        f"memory {row['worker_rss_mb']:.0f} and {row['server_rss_mb']:.0f} MB"
    )


def report(soak: Soak, options: argparse.Namespace) -> int:
    """Write and print the results; returns 1 if something grows or failed."""
    warm_up_s = _WARM_UP_SHARE * soak.rows[-1]["at_s"]
    rows = [row for row in soak.rows if row["at_s"] >= warm_up_s]
    names = [name for name in rows[0] if name != "at_s"]
    trends: dict[str, Trend] = {name: trend([r["at_s"] for r in rows], [r[name] for r in rows]) for name in names}
    result = {
        "broker": "Apache Kafka" if os.environ.get("KAFKA_HOME") else "local broker",
        "minutes": soak.rows[-1]["at_s"] / 60,
        "warm_up_s": warm_up_s,
        "capacity_per_s": soak.capacity_per_s,
        "sent_per_s": soak.per_s,
        "trends": {name: found._asdict() for name, found in trends.items()},
        "rows": soak.rows,
    }
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    plot(options.plot, f"{soak.per_s:.0f} products/s, {options.load:.0%} of the capacity", soak.rows, names, warm_up_s)
    table = Table("quantity", "median", "largest", "last", "change per hour (95 %)", "verdict")
    for name, (median, largest, last, slope, low, high, verdict) in trends.items():
        figures = (f"{value:,.2f}" for value in (median, largest, last))
        table.add_row(name, *figures, f"{slope:+,.2f} ({low:+,.2f} to {high:+,.2f})", verdict)
    console = Console(stderr=True, width=120)
    console.print(table)
    console.print(f"written: {options.results} and {options.plot}")
    grown = [name for name, found in trends.items() if found.verdict == "grows" and name != "settled_per_s"]
    return int(bool(grown or trends["dead_letters"].last or trends["failed_lookups"].last))


if __name__ == "__main__":
    main()
