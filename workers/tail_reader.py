"""Reads the end of `products.tagged` beside the worker, one member of a group of its own."""

import threading
from collections.abc import Callable
from contextlib import suppress

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from hangtag.kafka.options import kafka_options
from hangtag.kafka.trouble import watching
from hangtag.records import Partition, Record
from hangtag.settings import KafkaSettings
from hangtag.store import StoreError, StoreMismatchError
from hangtag.telemetry import Heartbeats, get_log, metrics
from hangtag.telemetry.clock import Clock
from hangtag.workers.group_consumer import GroupConsumer
from hangtag.workers.membership import membership
from hangtag.workers.source import SourceError
from hangtag.workers.tail import TailRepair
from hangtag.write import SinkError

TAIL_BEAT = "tail"

_POLL_MS = 500
_MAX_RECORDS = 5_000
_TRY_AGAIN_AFTER_S = 1.0
_COMMIT_TIMEOUT_MS = 3_000
_COMMIT_EVERY_S = 5.0
_CLOSE_TIMEOUT_MS = 1_000
_POSITION_TIMEOUT_MS = 100
_CLOSE_WAIT_S = 5

_log = get_log(__name__)


class TailReader:
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
        self._settings = settings
        self._repair = repair
        self._beats = beats
        self._on_failure = on_failure
        self._clock = clock
        self._committed: dict[Partition, int] = {}
        self._commit_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tail-reader", daemon=True)

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to stop reading and to leave the group; returns at once."""
        self._stop.set()

    def close(self) -> None:
        """Wait until the thread has stopped."""
        self.stop()
        self._thread.join(_CLOSE_WAIT_S)

    def _work(self) -> None:
        try:
            consumer = self._open()
            try:
                while not self._stop.is_set():
                    self._step(consumer)
            finally:
                consumer.close(autocommit=False, timeout_ms=_CLOSE_TIMEOUT_MS)
        except Exception as error:  # noqa: BLE001 (whatever it is, the process has to end)
            if not self._stop.is_set():
                self._on_failure(error)

    def _open(self) -> GroupConsumer:
        with watching(self._settings) as trouble:
            try:
                return self._connect()
            except KafkaError as error:
                msg = f"cannot read {self._settings.tagged_topic}: {trouble.explain(error)}"
                raise SourceError(msg) from error

    def _connect(self) -> GroupConsumer:
        consumer = GroupConsumer(
            **kafka_options(self._settings, "hangtag-tail"),
            **membership(self._settings, f"{self._settings.group}-tail"),
            metrics_enabled=False,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        consumer.subscribe([self._settings.tagged_topic])
        return consumer

    def _step(self, consumer: GroupConsumer) -> None:
        self._beats.beat(TAIL_BEAT)
        try:
            fetched = consumer.poll(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
            positions = _positions(consumer)
            ends = {Partition(*at): consumer.highwater(at) or 0 for at in fetched if at in consumer.assignment()}
        except KafkaError as error:
            if not error.retriable:
                msg = f"cannot read {self._settings.tagged_topic}: {type(error).__name__}: {error}"
                raise SourceError(msg) from error
            self._stop.wait(_TRY_AGAIN_AFTER_S)
            return
        records = [Record.of(one) for many in fetched.values() for one in many]
        self._repair.keep([Partition(*at) for at in consumer.assignment()])
        while not self._stop.is_set():
            try:
                self._take(records, ends, positions)
            except StoreMismatchError:
                raise
            except (StoreError, SinkError) as error:
                _log.debug("tail_repair_failed", message=str(error), next="it is repeated")
                self._wait(consumer)
            else:
                break
        consumer.resume(*consumer.paused())
        self._commit(consumer, positions)

    def _take(self, records: list[Record], ends: dict[Partition, int], positions: dict[Partition, int]) -> None:
        if records:
            self._repair.take(records, ends, self._clock.monotonic())
        repaired = self._repair.repair(positions, self._clock.monotonic())
        if repaired:
            metrics.TAIL_REPAIRS.inc(repaired)
            _log.warning("tail_repaired", count=repaired, topic=self._settings.tagged_topic)

    def _wait(self, consumer: GroupConsumer) -> None:
        """Wait before another try. Nothing is fetched while paused; the poll keeps the member in its group."""
        consumer.pause(*consumer.assignment())
        self._stop.wait(_TRY_AGAIN_AFTER_S)
        self._beats.beat(TAIL_BEAT)
        with suppress(KafkaError):
            consumer.poll(timeout_ms=0, max_records=1)

    def _commit(self, consumer: GroupConsumer, positions: dict[Partition, int]) -> None:
        now = self._repair.committable(positions)
        new = {at: offset for at, offset in now.items() if self._committed.get(at) != offset}
        if not new or self._clock.monotonic() < self._commit_at:
            return
        self._commit_at = self._clock.monotonic() + _COMMIT_EVERY_S
        try:
            offsets = {TopicPartition(*at): OffsetAndMetadata(offset) for at, offset in new.items()}
            consumer.commit(offsets, timeout_ms=_COMMIT_TIMEOUT_MS)
        except KafkaError as error:
            # Records are read and compared again, which changes nothing.
            _log.debug("tail_commit_failed", error=type(error).__name__)
        else:
            self._committed = now


def _positions(consumer: GroupConsumer) -> dict[Partition, int]:
    """The next offset to read of each assigned partition, where it is known already."""
    found = {}
    for at in consumer.assignment():
        with suppress(KafkaError):
            found[Partition(*at)] = consumer.position(at, timeout_ms=_POSITION_TIMEOUT_MS)
    return {partition: position for partition, position in found.items() if position is not None}
