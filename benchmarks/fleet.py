"""Workers and servers of this checkout as child processes, and what their metrics say."""

import os
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from hangtag.cli.demo.programs import GROUPS, WORDS, environment_with
from hangtag.cli.errors import CommandError
from hangtag.cli.local import Child, LocalStack, free_port
from hangtag.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
# A worker finishes what it has polled before it ends.
_GRACE_S = 40.0
_LOOK_EVERY_S = 0.1
_PATIENCE_S = 20.0


@contextmanager
def stack() -> Iterator[Settings]:
    """A broker and a store on this machine; says which broker it is."""
    with LocalStack() as settings:
        kind = "Apache Kafka" if os.environ.get("KAFKA_HOME") else "the local broker (KAFKA_HOME is not set)"
        print(f"{kind} at {settings.kafka.bootstrap}", file=sys.stderr)
        yield settings


class Program:
    """One child process that serves `/metrics`. Create it from the main thread: it ends with that thread."""

    def __init__(self, command: str, name: str, settings: Settings, folder: Path, more: Mapping[str, str]) -> None:
        self.name = name
        self.port = free_port()
        group = GROUPS[command]
        addresses = {
            "kafka.bootstrap": settings.kafka.bootstrap,
            "redis.url": settings.redis.url.get_secret_value(),
            "log.format": "json",
            f"{group}.metrics_port": str(self.port),
            **more,
        }
        environment = {**environment_with(addresses), "PYTHONPATH": str(ROOT)}
        self.child = Child(
            name, [sys.executable, "-m", "hangtag.cli", *WORDS.get(command, [command])], folder, environment
        )

    def samples(self) -> list[Sample]:
        """What `/metrics` says now; nothing while the program does not answer.

        Raises:
            CommandError: the program ended; the message has the end of its log.
        """
        if not self.child.is_running:
            raise CommandError(self.child.exit_report())
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return []
        return [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def surely(self) -> list[Sample]:
        """What `/metrics` says; asked again for some seconds.

        Raises:
            CommandError: the program ended, or does not answer; the message has the end of its log.
        """
        give_up = time.monotonic() + _PATIENCE_S
        while not (found := self.samples()):
            if time.monotonic() > give_up:
                msg = f"{self.name} does not answer on its port for metrics\n{self.child.tail()}"
                raise CommandError(msg)
            time.sleep(_LOOK_EVERY_S)
        return found

    def assigned(self) -> int:
        """The number of partitions that this worker reads."""
        return int(total(self.samples(), "hangtag_assigned_partitions"))

    def stop(self) -> float:
        """Ask it to stop and wait until it has; returns the seconds that it took."""
        started = time.monotonic()
        self.child.stop(_GRACE_S)
        return time.monotonic() - started


def values(samples: list[Sample], name: str) -> list[float]:
    """The values of a metric, one for each set of labels."""
    return [sample.value for sample in samples if sample.name == name]


def total(samples: list[Sample], name: str) -> float:
    """The sum of a metric over its labels; 0 if it is absent."""
    return sum(values(samples, name))


def wait_until_assigned(workers: list[Program], partitions: int, deadline_s: float = 90) -> None:
    """Wait until every worker reads a partition, and all of them together read each.

    Raises:
        CommandError: a worker ended, or it takes longer than `deadline_s`.
    """
    give_up = time.monotonic() + deadline_s
    while True:
        assigned = [worker.assigned() for worker in workers]
        if all(assigned) and sum(assigned) == partitions:
            return
        if time.monotonic() > give_up:
            names = ", ".join(f"{worker.name}: {count}" for worker, count in zip(workers, assigned, strict=True))
            msg = f"the partitions are not assigned after {deadline_s:.0f} s ({names})\n{workers[-1].child.tail()}"
            raise CommandError(msg)
        time.sleep(_LOOK_EVERY_S)
