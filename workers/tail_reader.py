"""Reads the end of `products.tagged` beside the worker, one member of a group of its own."""

import threading
from collections.abc import Callable

from kafka import OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError

from hangtag.kafka.options import kafka_options
from hangtag.kafka.trouble import watching
from hangtag.records import Record
from hangtag.settings import KafkaSettings
from hangtag.store import StoreError, StoreMismatchError
from hangtag.telemetry import Heartbeats, get_log, metrics
from hangtag.workers.group_consumer import GroupConsumer
from hangtag.workers.source import SourceError
from hangtag.workers.tail import TailRepair
from hangtag.write import SinkError

TAIL_BEAT = "tail"

_POLL_MS = 500
_MAX_RECORDS = 5_000
_TRY_AGAIN_AFTER_S = 1.0
_COMMIT_TIMEOUT_MS = 3_000
# As the worker's own group: Tansu keeps a member that joins waiting for half of the session timeout.
_SESSION_TIMEOUT_MS = 10_000
_HEARTBEAT_INTERVAL_MS = 3_000
_CLOSE_TIMEOUT_MS = 1_000
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
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._settings = settings
        self._repair = repair
        self._beats = beats
        self._on_failure = on_failure
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
            metrics_enabled=False,
            group_id=f"{self._settings.group}-tail",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            partition_assignment_strategy=[CooperativeStickyAssignor],
            session_timeout_ms=_SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=_HEARTBEAT_INTERVAL_MS,
        )
        consumer.subscribe([self._settings.tagged_topic])
        return consumer

    def _step(self, consumer: GroupConsumer) -> None:
        self._beats.beat(TAIL_BEAT)
        try:
            fetched = consumer.poll(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
        except KafkaError as error:
            if not error.retriable:
                msg = f"cannot read {self._settings.tagged_topic}: {type(error).__name__}: {error}"
                raise SourceError(msg) from error
            self._stop.wait(_TRY_AGAIN_AFTER_S)
            return
        records = [Record.of(one) for many in fetched.values() for one in many]
        if records:
            self._run(consumer, records)

    def _run(self, consumer: GroupConsumer, records: list[Record]) -> None:
        while not self._stop.is_set():
            try:
                repaired = self._repair.run(records)
            except StoreMismatchError:
                raise
            except (StoreError, SinkError) as error:
                _log.debug("tail_repair_failed", message=str(error), next="it is repeated")
                consumer.pause(*consumer.assignment())
                self._stop.wait(_TRY_AGAIN_AFTER_S)
                self._beats.beat(TAIL_BEAT)
                # Nothing is fetched while paused; the poll keeps the member in its group.
                consumer.poll(timeout_ms=0, max_records=1)
                continue
            if repaired:
                metrics.TAIL_REPAIRS.inc(repaired)
                _log.warning("tail_repaired", count=repaired, topic=self._settings.tagged_topic)
            break
        consumer.resume(*consumer.paused())
        self._commit(consumer, records)

    def _commit(self, consumer: GroupConsumer, records: list[Record]) -> None:
        # Records of one partition are in order, so its last one counts.
        assigned = consumer.assignment()
        ends = {TopicPartition(*record.partition): record.offset + 1 for record in records}
        try:
            new = {at: OffsetAndMetadata(end) for at, end in ends.items() if at in assigned}
            consumer.commit(new, timeout_ms=_COMMIT_TIMEOUT_MS)
        except KafkaError as error:
            # Records are read and compared again, which changes nothing.
            _log.debug("tail_commit_failed", error=type(error).__name__)
