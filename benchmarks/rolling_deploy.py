"""How long products wait for their tags while the workers are replaced one after the other.

    KAFKA_HOME=/opt/kafka python -m benchmarks.rolling_deploy --runs 3

A steady stream of events, well below what the workers can take, goes to six partitions. Every worker is replaced while
it runs. From the timestamps of the events and of their tags, per partition: the longest time without any tags, and the
longest time from an event to its tags. Without KAFKA_HOME it uses the local broker.

    still         nothing is replaced: what the stream looks like without a deploy
    stop_first    a worker is stopped, then the new one is started
    start_first   the new worker is started, and the old one is stopped once the new one has partitions
    static        stop_first with kafka.group_instance_id: the partitions wait for the new worker
"""

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.fleet import Program, stack, wait_until_assigned
from benchmarks.main_job import FEED, read
from benchmarks.stream import Stream
from hangtag.cli.errors import CommandError
from hangtag.cli.local.topics import PARTITIONS
from hangtag.cli.stopping import Stopped, stopping
from hangtag.cli.topic import TopicReader
from hangtag.settings import Settings
from hangtag.v1 import events_pb2

MODES = ("still", "stop_first", "start_first", "static")
_STILL_S = 15.0
_QUIET_S = 3.0

Waits = dict[int, dict[str, float]]  # by partition


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--per-s", type=float, default=60, help="events per second")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--modes", nargs="*", choices=MODES, default=MODES)
    parser.add_argument("--logs", type=Path, help="keep the logs of the workers in this folder")
    options = parser.parse_args()
    try:
        with stopping(), TemporaryDirectory() as folder, stack() as settings:
            logs = options.logs or Path(folder)
            logs.mkdir(parents=True, exist_ok=True)
            found = {mode: Deploys(mode, settings, logs, options).runs() for mode in options.modes}
    except Stopped:
        sys.exit(130)
    except CommandError as error:
        sys.exit(str(error))
    report(found)


class Deploys:
    """The runs of one mode, with workers of its own."""

    def __init__(self, mode: str, settings: Settings, logs: Path, options: argparse.Namespace) -> None:
        self._mode, self._settings, self._logs, self._options = mode, settings, logs, options
        self._events = read(FEED, 1_000)
        self._workers: list[Program] = []
        self._started = 0

    def runs(self) -> list[Waits]:
        """The waits of each run.

        Raises:
            CommandError: a worker ended, or events got no tags.
        """
        try:
            self._workers = [self._start(number) for number in range(self._options.workers)]
            wait_until_assigned(self._workers, PARTITIONS)
            return [self._run(f"{self._mode}-{number}") for number in range(self._options.runs)]
        finally:
            for worker in self._workers:
                worker.child.ask_to_stop()
            for worker in self._workers:
                worker.stop()

    def _start(self, number: int) -> Program:
        self._started += 1
        more = {"model.threads": "1"}
        if self._mode == "static":
            more["kafka.group_instance_id"] = f"worker-{number}"
        return Program("work", f"{self._mode}-{self._started}", self._settings, self._logs, more)

    def _run(self, name: str) -> Waits:
        def event(number: int) -> events_pb2.ProductEvent:
            found = self._events[number % len(self._events)]
            found.product.product_id = f"{name}-{number}"
            return found

        with Stream(self._settings.kafka, event, self._options.per_s) as stream:
            time.sleep(_QUIET_S)
            if self._mode == "still":
                time.sleep(_STILL_S)
            else:
                for number in range(len(self._workers)):
                    self._replace(number)
                    wait_until_assigned(self._workers, PARTITIONS)
                    stream.check()
                    time.sleep(_QUIET_S)
        waits = self._waits(name, stream.sent)
        worst = {what: max(each[what] for each in waits.values()) for what in ("gap_s", "latency_s")}
        print(f"{name}: {stream.sent} events, longest {worst}", file=sys.stderr)
        return waits

    def _replace(self, number: int) -> None:
        old = self._workers[number]
        if self._mode == "start_first":
            new = self._start(number)
            self._workers.append(new)
            wait_until_assigned(self._workers, PARTITIONS)
            self._workers.pop()
            took = old.stop()
        else:
            took = old.stop()
            new = self._start(number)
        self._workers[number] = new
        print(f"{old.name}: stopped in {took:.1f} s", file=sys.stderr)

    def _waits(self, name: str, sent: int, deadline_s: float = 60) -> Waits:
        """Of each partition, the longest time without tags and from an event to its tags.

        Raises:
            CommandError: an event has no tags after `deadline_s`.
        """
        kafka, give_up = self._settings.kafka, time.monotonic() + deadline_s
        events = {}
        for record in read_topic(self._settings, kafka.events_topic):
            if record.key.startswith(f"{name}-".encode()):
                events[record.key] = record
        tagged: dict[bytes, float] = {}
        while len(tagged) < sent:
            if time.monotonic() > give_up:
                msg = f"{name}: {sent - len(tagged)} of {sent} events have no tags after {deadline_s:.0f} s"
                raise CommandError(msg)
            tagged = {}
            for record in read_topic(self._settings, kafka.tagged_topic):
                if record.key in events:
                    tagged.setdefault(record.key, record.timestamp / 1_000)
        times, latencies = defaultdict(list), defaultdict(list)
        for key, at in tagged.items():
            times[events[key].partition].append(at)
            latencies[events[key].partition].append(at - events[key].timestamp / 1_000)
        return {
            partition: {
                "gap_s": max(after - before for before, after in pairwise(sorted(times[partition]))),
                "latency_s": max(latencies[partition]),
            }
            for partition in sorted(times)
        }


def read_topic(settings: Settings, topic: str) -> Sequence:
    with TopicReader(settings.kafka, topic) as reader:
        return reader.until_end()


def report(found: dict[str, list[Waits]]) -> None:
    def worst(run: Waits, what: str) -> float:
        return max(each[what] for each in run.values())

    result = {}
    table = Table("mode", "longest time without tags, s", "event to tags, s", "per partition, s", "worst run, s")
    for mode, runs in found.items():
        gap = statistics.median(worst(run, "gap_s") for run in runs)
        latency = statistics.median(worst(run, "latency_s") for run in runs)
        partitions = {
            partition: statistics.median(run[partition]["latency_s"] for run in runs) for partition in runs[0]
        }
        longest = max(max(worst(run, "gap_s"), worst(run, "latency_s")) for run in runs)
        result[mode] = {"gap_s": gap, "latency_s": latency, "worst_s": longest, "runs": runs}
        each = " ".join(f"{value:.2f}" for value in partitions.values())
        table.add_row(mode, f"{gap:.2f}", f"{latency:.2f}", each, f"{longest:.2f}")
    Console(stderr=True).print(table)
    sys.stdout.write(orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode() + "\n")


if __name__ == "__main__":
    main()
