"""Reads a topic as a member of a group of its own, and commits what was dealt with."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from hangtag.kafka.options import kafka_options
from hangtag.kafka.trouble import watching
from hangtag.records import Partition, Record
from hangtag.settings import KafkaSettings
from hangtag.store import StoreError, StoreMismatchError
from hangtag.telemetry import Heartbeats, get_log
from hangtag.telemetry.clock import Clock
from hangtag.workers.group_consumer import GroupConsumer
from hangtag.workers.membership import membership
from hangtag.workers.source import SourceError
from hangtag.workers.topics import wait_for_topics
from hangtag.write import SinkError

_POLL_MS = 500
_MAX_RECORDS = 5_000
_TRY_AGAIN_AFTER_S = 1.0
_COMMIT_TIMEOUT_MS = 3_000
_COMMIT_EVERY_S = 5.0
_CLOSE_TIMEOUT_MS = 1_000
_POSITION_TIMEOUT_MS = 100

Offsets = Mapping[Partition, int]

_log = get_log(__name__)


class GroupReader(ABC):
    """Subclasses say what becomes of the records. While the store or the sink fails, the same records are tried again.

    `name` is that of the heartbeat, and the end of the group's name.
    """

    def __init__(self, settings: KafkaSettings, topic: str, name: str, beats: Heartbeats, clock: Clock) -> None:
        self._settings = settings
        self._topic = topic
        self._name = name
        self._beats = beats
        self._clock = clock
        self._done: Offsets = {}
        self._committed: Offsets = {}
        self._commit_at = 0.0
        self._stop = threading.Event()
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """True once it is connected; until then Kafka may keep it waiting. Any thread may ask."""
        return self._is_open

    def stop(self) -> None:
        """Ask it to stop reading and to leave the group; returns at once. Any thread may call."""
        self._stop.set()

    def read(self) -> None:
        """Read until `stop` is called.

        Raises:
            SourceError: the topic cannot be read.
            StoreMismatchError: the store does not fit the settings.
        """
        consumer = self._open()
        self._is_open = True
        try:
            while not self._stop.is_set():
                self._step(consumer)
            self._commit(consumer)
        finally:
            consumer.close(autocommit=False, timeout_ms=_CLOSE_TIMEOUT_MS)

    @abstractmethod
    def _take(self, records: Sequence[Record], ends: Offsets, positions: Offsets) -> None:
        """Deal with records; none is a moment for what waits. Raises `StoreError` or `SinkError`: call again.

        `ends` are the end offsets of their partitions, `positions` the next offsets to read.
        """

    def _committable(self, positions: Offsets) -> Offsets:
        """The offsets to commit: below them everything is dealt with."""
        return positions

    @abstractmethod
    def _look(self, consumer: GroupConsumer) -> None:
        """A poll has ended; only the consumer's partitions are assigned now."""

    @abstractmethod
    def _failed(self, error: StoreError | SinkError) -> None:
        """A try to deal with records failed."""

    def _open(self) -> GroupConsumer:
        with watching(self._settings) as trouble:
            try:
                return self._connect()
            except KafkaError as error:
                msg = f"cannot read {self._topic}: {trouble.explain(error)}"
                raise SourceError(msg) from error

    def _connect(self) -> GroupConsumer:
        consumer = GroupConsumer(
            **kafka_options(self._settings, f"hangtag-{self._name}"),
            **membership(self._settings, f"{self._settings.group}-{self._name}"),
            metrics_enabled=False,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        try:
            wait_for_topics(consumer, self._settings, [self._topic])
        except SourceError:
            consumer.close(autocommit=False, timeout_ms=_CLOSE_TIMEOUT_MS)
            raise
        consumer.subscribe([self._topic])
        return consumer

    def _step(self, consumer: GroupConsumer) -> None:
        self._beats.beat(self._name)
        try:
            fetched = consumer.poll(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
            self._look(consumer)
            positions = _positions(consumer)
            ends = {Partition(*at): consumer.highwater(at) or 0 for at in fetched if at in consumer.assignment()}
        except KafkaError as error:
            if not error.retriable:
                msg = f"cannot read {self._topic}: {type(error).__name__}: {error}"
                raise SourceError(msg) from error
            self._stop.wait(_TRY_AGAIN_AFTER_S)
            return
        records = [Record.of(one) for many in fetched.values() for one in many]
        while True:
            try:
                self._take(records, ends, positions)
            except StoreMismatchError:
                raise
            except (StoreError, SinkError) as error:
                self._failed(error)
                self._wait(consumer)
                if self._stop.is_set():
                    return
            else:
                break
        consumer.resume(*consumer.paused())
        self._done = self._committable(positions)
        if self._clock.monotonic() >= self._commit_at:
            self._commit(consumer)

    def _wait(self, consumer: GroupConsumer) -> None:
        """Wait before another try. Nothing is fetched while paused; the poll keeps the member in its group."""
        consumer.pause(*consumer.assignment())
        self._stop.wait(_TRY_AGAIN_AFTER_S)
        self._beats.beat(self._name)
        with suppress(KafkaError):
            # A partition that is assigned by this poll is not paused yet: what came of it is read again.
            for at, many in consumer.poll(timeout_ms=0, max_records=1).items():
                consumer.seek(at, many[0].offset)
            self._look(consumer)

    def _commit(self, consumer: GroupConsumer) -> None:
        new = {at: offset for at, offset in self._done.items() if self._committed.get(at) != offset}
        if not new:
            return
        self._commit_at = self._clock.monotonic() + _COMMIT_EVERY_S
        try:
            offsets = {TopicPartition(*at): OffsetAndMetadata(offset) for at, offset in new.items()}
            consumer.commit(offsets, timeout_ms=_COMMIT_TIMEOUT_MS)
        except KafkaError as error:
            # Records are read and dealt with again, which changes nothing.
            _log.debug("commit_failed", group=f"{self._settings.group}-{self._name}", error=type(error).__name__)
        else:
            self._committed = self._done


def _positions(consumer: GroupConsumer) -> dict[Partition, int]:
    """The next offset to read of each assigned partition, where it is known already."""
    found = {}
    for at in consumer.assignment():
        with suppress(KafkaError):
            found[Partition(*at)] = consumer.position(at, timeout_ms=_POSITION_TIMEOUT_MS)
    return {partition: position for partition, position in found.items() if position is not None}
