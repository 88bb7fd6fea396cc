"""A catalogue that is sent again unchanged, against the first time: products/s and processor time of the worker.

    python -m benchmarks.resent --products 10000 [--feed FILE.jsonl.gz]

Starts a broker and a cache on this machine and runs a worker in this process over a backlog of new products, then over
the same products with a newer version. Rates are those between a tenth and nine tenths of the backlog, which should be
several times as long as `worker.window`.
"""

import argparse
import sys
import threading
import time
from pathlib import Path

import orjson

from benchmarks.main_job import FEED, read
from hangtag.cli.local import LocalStack
from hangtag.cli.publisher import Publisher
from hangtag.cli.stopping import Stopped, stopping
from hangtag.settings import Settings
from hangtag.tagger.tagger import Tagger, open_tagger
from hangtag.telemetry import metrics
from hangtag.v1 import events_pb2
from hangtag.workers import work

_PATIENCE_S = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=10_000)
    parser.add_argument("--feed", type=Path, default=FEED, help="JSONL; repeated under new ids if it is too short")
    options = parser.parse_args()
    try:
        with stopping(), LocalStack() as local:
            settings = local.model_copy(update={"worker": local.worker.model_copy(update={"metrics_port": 0})})
            tagger, events = open_tagger(settings.model), read(options.feed, options.products)
            for number, event in enumerate(events):
                event.product.title += f" {number}"  # different texts, also where the feed is repeated
            result = {"new": measure(settings, tagger, events, 1), "again": measure(settings, tagger, events, 2)}
    except Stopped:
        sys.exit(130)
    ratio = result["again"]["products_per_s"] / result["new"]["products_per_s"]
    sys.stdout.write(orjson.dumps({**result, "ratio": ratio}, option=orjson.OPT_INDENT_2).decode() + "\n")


def measure(
    settings: Settings, tagger: Tagger, events: list[events_pb2.ProductEvent], version: int
) -> dict[str, float]:
    """Products/s and milliseconds of processor time for each, of a worker that starts with all events produced."""
    with Publisher(settings.kafka) as publisher:
        for event in events:
            event.product.version = version
            publisher.send(event)
        publisher.finish()
    stop, before = threading.Event(), settled()
    thread = threading.Thread(target=work, args=(settings, tagger, stop))
    thread.start()
    marks: dict[float, tuple[float, float, float]] = {}
    give_up = time.monotonic() + _PATIENCE_S
    try:
        while 0.9 not in marks and thread.is_alive() and time.monotonic() < give_up:
            time.sleep(0.02)
            done = settled() - before
            for share in (0.1, 0.9):
                if done >= share * len(events) and share not in marks:
                    marks[share] = time.monotonic(), time.process_time(), done
    finally:
        stop.set()
        thread.join()
    (began, cpu_began, first), (ended, cpu_ended, last) = marks[0.1], marks[0.9]
    return {
        "products_per_s": (last - first) / (ended - began),
        "cpu_ms_each": (cpu_ended - cpu_began) / (last - first) * 1_000,
    }


def settled() -> float:
    samples = (sample for metric in metrics.RECORDS_SETTLED.collect() for sample in metric.samples)
    return sum(sample.value for sample in samples if sample.name == "hangtag_records_settled_total")


if __name__ == "__main__":
    main()
