"""A worker of several processes, such as one for each GPU: each is a member of the consumer group."""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from hangtag.processes import Child, Pages, Parent, Run, Supervisor, stop_signals
from hangtag.settings import Settings
from hangtag.telemetry import get_log
from hangtag.telemetry.page import open_page
from hangtag.telemetry.places import stack_of, summary_of
from hangtag.workers.program import DRAIN_S

_log = get_log(__name__)


class WorkersError(RuntimeError):
    """A worker of several processes cannot start or go on; the message says why."""


class Bound(NamedTuple):
    """The port of a process's own page."""

    metrics_port: int


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """Which of `count` processes a process is, on which device, and the way back."""

    number: int
    count: int
    device: str
    parent: Parent

    @property
    def cores(self) -> int:
        """The cores that are its share."""
        return max(1, (os.cpu_count() or 1) // self.count)

    def settings(self, settings: Settings) -> Settings:
        """The settings with what differs from process to process; the process that started it shows its metrics."""
        page = {"metrics_host": "127.0.0.1", "metrics_port": 0}
        update: dict[str, object] = {"worker": settings.worker.model_copy(update=page)}
        if settings.kafka.group_instance_id is not None:
            name = f"{settings.kafka.group_instance_id}-{self.number}"
            update["kafka"] = settings.kafka.model_copy(update={"group_instance_id": name})
        return settings.model_copy(update=update)

    def stop_event(self) -> threading.Event:
        """Set by SIGTERM, and when the process that started this one ends; a second SIGTERM ends it at once.

        Ctrl-C reaches all processes, and the one that started this one decides what becomes of it.
        """
        stop = threading.Event()

        def first(*_: object) -> None:
            stop.set()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

        signal.signal(signal.SIGTERM, first)
        self.parent.watch(stop.set)
        return stop


class Workers:
    """Processes that run `run`, one for each device."""

    def __init__(self, settings: Settings, devices: list[str], run: Run) -> None:
        self._settings, self._devices, self._run = settings, devices, run
        self._supervisor = Supervisor("worker", len(devices), self._start, DRAIN_S, WorkersError)

    def work(self, ready: Callable[[int], None] = lambda _: None) -> None:
        """Work until SIGTERM, SIGINT or SIGHUP, which lets all processes drain; a second signal ends them at once.

        `ready` is called with the port of the common page once all processes read from Kafka.

        Raises:
            WorkersError: a process cannot start, or processes die again and again.
            SettingsError: the port for metrics is taken.
        """
        try:
            self._work(ready)
        except Exception as error:
            _log.critical("worker_died", error=type(error).__name__, reason=summary_of(error), stack=stack_of(error))
            raise
        _log.info("worker_stopped")

    def _work(self, ready: Callable[[int], None]) -> None:
        pages = Pages(lambda: self._supervisor.bound)
        with stop_signals() as signals:
            try:
                if self._supervisor.start(signals):
                    with open_page(
                        "worker",
                        self._settings.worker,
                        pages.registry,
                        pulses=pages.pulses,
                        details=pages.details,
                        parts=pages.parts,
                        on_failure=lambda _: os.kill(os.getpid(), signal.SIGTERM),
                    ) as page:
                        pids = self._supervisor.pids
                        _log.info("working", devices=self._devices, processes=pids, metrics_port=page.port)
                        ready(page.port)
                        self._supervisor.watch(signals)
                        self._supervisor.stop(signals)
            finally:
                self._supervisor.stop(signals)

    def _start(self, number: int) -> Child:
        count, device = len(self._devices), self._devices[number]
        return Child(
            self._run, lambda tell, life: WorkerPlace(number, count, device, Parent(tell, life)), "worker", number
        )
