"""Reads `products.events` ahead of the workers, in a group of its own."""

import time
from collections.abc import Collection, Sequence
from contextlib import suppress

from kafka.structs import MemberState

from hangtag.kafka.internals import last_read_s
from hangtag.records import Partition, Record
from hangtag.settings import KafkaSettings
from hangtag.store import StoreError
from hangtag.telemetry import Heartbeats, get_log, metrics
from hangtag.telemetry.clock import Clock
from hangtag.workers.arrivals import Arrivals
from hangtag.workers.contact import KAFKA_BEAT, BrokerContact
from hangtag.workers.end_offsets import EndOffsets
from hangtag.workers.group_consumer import GroupConsumer
from hangtag.workers.group_reader import GroupReader, Offsets
from hangtag.workers.source import Membership
from hangtag.write import SinkError

ARRIVALS_BEAT = "arrivals"

_LAG = (metrics.ARRIVALS_LAG_RECORDS, metrics.ARRIVALS_LAG_SECONDS)

_log = get_log(__name__)


class ArrivalsReader(GroupReader):
    """Marks what it reads, and keeps the metrics of how far it is behind."""

    def __init__(self, settings: KafkaSettings, arrivals: Arrivals, beats: Heartbeats, clock: Clock) -> None:
        super().__init__(settings, settings.events_topic, ARRIVALS_BEAT, beats, clock)
        self._arrivals = arrivals
        self._contact = BrokerContact()
        self._ends = EndOffsets()
        self._known_ends: Offsets = {}
        self._read_ms: dict[Partition, int] = {}
        self._measured: set[Partition] = set()
        self._answered_s = time.monotonic()
        self._membership = Membership(is_member=False, partitions=0)
        self._is_failing = False

    @property
    def membership(self) -> Membership:
        """As of the last poll; any thread may ask."""
        return self._membership

    def _take(self, records: Sequence[Record], ends: Offsets, positions: Offsets) -> None:
        if records:
            with metrics.STORE_SECONDS.time():
                marked = self._arrivals.take(records)
            metrics.ARRIVALS_READ.labels("marked").inc(marked)
            metrics.ARRIVALS_READ.labels("skipped").inc(len(records) - marked)
            self._read_ms.update((record.partition, record.timestamp_ms) for record in records)
        if self._is_failing:
            self._is_failing = False
            _log.info("marking_again")
        self._measure({**self._known_ends, **ends}, positions)

    def _failed(self, error: StoreError | SinkError) -> None:
        if not self._is_failing:
            _log.error("marking_failed", message=str(error), next="reading pauses, and goes on when the store answers")
        self._is_failing = True
        metrics.RETRIES.labels("store").inc()

    def _look(self, consumer: GroupConsumer) -> None:
        assigned = consumer.assignment()
        self._forget_others([Partition(*at) for at in assigned])
        self._membership = Membership(consumer.group_metadata().state is MemberState.STABLE, len(assigned))
        now = time.monotonic()
        self._known_ends = self._ends.of(consumer, assigned, now)
        self._answered_s = max(self._answered_s, last_read_s(consumer) or 0.0)
        self._beats.beat(KAFKA_BEAT, now - self._answered_s)
        self._contact.saw(now - self._answered_s)

    def _forget_others(self, partitions: Collection[Partition]) -> None:
        for partition in self._measured.difference(partitions):
            self._measured.discard(partition)
            self._read_ms.pop(partition, None)
            for gauge in _LAG:
                with suppress(KeyError):
                    gauge.remove(str(partition.number))
        metrics.ASSIGNED_PARTITIONS.set(len(partitions))

    def _measure(self, ends: Offsets, positions: Offsets) -> None:
        """The age is that of the last record read: the next one is not older."""
        now_ms = self._clock.wall_ms()
        for partition, position in positions.items():
            if partition not in ends:
                continue
            left = max(0, ends[partition] - position)
            read_ms = self._read_ms.get(partition, now_ms)
            number = str(partition.number)
            metrics.ARRIVALS_LAG_RECORDS.labels(number).set(left)
            metrics.ARRIVALS_LAG_SECONDS.labels(number).set(max(0, now_ms - read_ms) / 1_000 if left else 0)
            self._measured.add(partition)
