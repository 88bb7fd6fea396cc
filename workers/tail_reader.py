"""Reads the end of `products.tagged` beside the worker, one member of a group of its own."""

import threading
from collections.abc import Callable, Sequence

from hangtag.records import Partition, Record
from hangtag.settings import KafkaSettings
from hangtag.store import StoreError
from hangtag.telemetry import Heartbeats, get_log, metrics
from hangtag.telemetry.clock import Clock
from hangtag.workers.group_consumer import GroupConsumer
from hangtag.workers.group_reader import GroupReader, Offsets
from hangtag.workers.tail import TailRepair
from hangtag.write import SinkError

TAIL_BEAT = "tail"

_CLOSE_WAIT_S = 5

_log = get_log(__name__)


class TailReader(GroupReader):
    """A thread that reads the topic's new records and repairs those that are behind the store.

    `on_failure` is called, from the thread, with the error that ended it.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        repair: TailRepair,
        beats: Heartbeats,
        clock: Clock,
        on_failure: Callable[[Exception], None],
    ) -> None:
        super().__init__(settings, settings.tagged_topic, TAIL_BEAT, beats, clock)
        self._repair = repair
        self._on_failure = on_failure
        self._thread = threading.Thread(target=self._work, name="tail-reader", daemon=True)

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def close(self) -> None:
        """Wait until the thread has stopped."""
        self.stop()
        self._thread.join(_CLOSE_WAIT_S)

    def _work(self) -> None:
        try:
            self.read()
        except Exception as error:  # noqa: BLE001 (whatever it is, the process has to end)
            if not self._stop.is_set():
                self._on_failure(error)

    def _take(self, records: Sequence[Record], ends: Offsets, positions: Offsets) -> None:
        if records:
            self._repair.take(records, ends, self._clock.monotonic())
        repaired = self._repair.repair(positions, self._clock.monotonic())
        if repaired:
            metrics.TAIL_REPAIRS.inc(repaired)
            _log.warning("tail_repaired", count=repaired, topic=self._topic)

    def _committable(self, positions: Offsets) -> Offsets:
        return self._repair.committable(positions)

    def _look(self, consumer: GroupConsumer) -> None:
        self._repair.keep([Partition(*at) for at in consumer.assignment()])

    def _failed(self, error: StoreError | SinkError) -> None:
        _log.debug("tail_repair_failed", message=str(error), next="it is repeated")
