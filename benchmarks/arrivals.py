"""How fast the reader of arrivals marks events that wait, in JSON and in protobuf, and what it needs.

    KAFKA_HOME=/opt/kafka python -m benchmarks.arrivals --records 200000

Starts a broker (Apache Kafka where KAFKA_HOME names a release, else Tansu) and Valkey on this machine, fills
products.events with events of the built-in feed under ids of their own, and runs `hangtag arrivals` as a process. The
rates are those of the middle 80 % of the records: `per_s` by the clock, `per_core_s` by the processor time of the
process, which runs beside the broker and the store.
"""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import redis
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.fleet import Program, stack, total
from benchmarks.main_job import FEED, read
from hangtag.cli.errors import CommandError
from hangtag.cli.local import create_topics
from hangtag.cli.publisher import Publisher
from hangtag.cli.stopping import Stopped, stopping
from hangtag.settings import Settings

FORMATS = ("json", "protobuf")
_LOOK_EVERY_S = 0.05
_PATIENCE_S = 120.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args()
    try:
        with stopping(), TemporaryDirectory() as folder, stack() as settings:
            result = {kind: measure(settings, kind, options.records, Path(folder)) for kind in FORMATS}
    except Stopped:
        sys.exit(130)
    except CommandError as error:
        sys.exit(str(error))
    report({"records": options.records, **result}, options.json)


def measure(settings: Settings, kind: str, records: int, folder: Path) -> dict[str, float]:
    """The rates for events in one format, in a topic and under ids of its own.

    Raises:
        CommandError: the reader ended, or does not get on.
    """
    kafka = settings.kafka.model_copy(update={"events_topic": f"events-{kind}", "group": kind})
    create_topics(kafka)
    fill(settings.model_copy(update={"kafka": kafka}), kind, records)
    more = {"kafka.events_topic": kafka.events_topic, "kafka.group": kafka.group}
    with redis.Redis.from_url(settings.redis.url.get_secret_value()) as client:
        before = client.info("memory")["used_memory"]
        program = Program("arrivals", f"arrivals-{kind}", settings, folder, more)
        try:
            rows = watch(program, records)
            rss_mb = total(program.samples(), "process_resident_memory_bytes") / 1e6
        finally:
            program.stop()
        mark_bytes = (client.info("memory")["used_memory"] - before) / records
    first = next(row for row in rows if row[1] >= records * 0.1)
    last = next(row for row in rows if row[1] >= records * 0.9)
    seconds, read_records, cpu_s = (after - before for before, after in zip(first, last, strict=True))
    return {
        "per_s": read_records / seconds,
        "per_core_s": read_records / cpu_s,
        "mark_bytes": mark_bytes,
        "rss_mb": rss_mb,
    }


def fill(settings: Settings, kind: str, records: int) -> None:
    console = Console(stderr=True)
    events = read(FEED, min(records, 1_000))
    with Publisher(settings.kafka, protobuf=kind == "protobuf") as publisher:
        for number in track(range(records), f"filling with {kind}", console=console, transient=True):
            event = events[number % len(events)]
            event.product.product_id = f"{kind}-{number}"
            event.product.version = 1_700_000_000_000 + number
            publisher.send(event)
        publisher.finish()


def watch(program: Program, records: int) -> list[tuple[float, float, float]]:
    """Again and again until all is marked: the time, the records read and the processor time until then.

    Raises:
        CommandError: the program ended, or does not get on.
    """
    rows: list[tuple[float, float, float]] = []
    give_up = time.monotonic() + _PATIENCE_S
    while not rows or rows[-1][1] < records:
        if time.monotonic() > give_up:
            msg = f"not all is marked after {_PATIENCE_S:.0f} s: {rows[-1:]}\n{program.child.tail()}"
            raise CommandError(msg)
        time.sleep(_LOOK_EVERY_S)
        if samples := program.samples():
            done, cpu_s = total(samples, "hangtag_arrivals_read_total"), total(samples, "process_cpu_seconds_total")
            rows.append((time.monotonic(), done, cpu_s))
    return rows


def report(result: dict[str, object], path: Path | None) -> None:
    table = Table("events", "records/s", "records/s of processor time", "bytes of a mark", "memory, MB")
    for kind in FORMATS:
        found = result[kind]
        assert isinstance(found, dict)
        table.add_row(kind, *(f"{found[name]:,.0f}" for name in ("per_s", "per_core_s", "mark_bytes", "rss_mb")))
    Console(stderr=True).print(table)
    text = orjson.dumps(result, option=orjson.OPT_INDENT_2).decode() + "\n"
    sys.stdout.write(text)
    if path is not None:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
