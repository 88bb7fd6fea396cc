"""Records from Kafka, by kafka-python."""

import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

from kafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from hangtag.kafka.options import kafka_options
from hangtag.records import Partition, Record
from hangtag.settings import KafkaSettings
from hangtag.telemetry import get_log
from hangtag.workers.group_consumer import GroupConsumer
from hangtag.workers.source import Change, Polled, SourceError

# The brokers wait this long for a member at a rebalance, so a hung worker holds its group up no longer.
_MAX_POLL_INTERVAL_MS = 45_000
# A killed worker's partitions move after this long; less, and a starved machine loses them while it works. Tansu also
# keeps a member that joins waiting for half of it.
_SESSION_TIMEOUT_MS = 10_000
_HEARTBEAT_INTERVAL_MS = 3_000
# By then the brokers have put out whoever held a rebalance up: a member whose commits are still refused has lost track
# of its group.
_STUCK_S = _MAX_POLL_INTERVAL_MS / 1_000 + 15
_COMMIT_TIMEOUT_MS = 3_000
# New partitions of the topic are noticed after this long.
_METADATA_MAX_AGE_MS = 30_000
_TOPIC_TIMEOUT_S = 10
_TOPIC_LOOK_S = 0.3
_CLOSE_TIMEOUT_MS = 5_000
_FETCH_MAX_BYTES = 16 * 1_048_576
_MEMBERSHIP = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)

_log = get_log(__name__)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # kafka-python carries no types
    """Runs on the consumer's I/O thread, where nothing may block: it takes notes for the polling thread."""

    def __init__(self) -> None:
        self.changes: deque[Change] = deque()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.changes.extend(Change(Partition(*partition), is_ours=True) for partition in assigned)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self.changes.extend(Change(Partition(*partition), is_ours=False) for partition in revoked)

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self.on_partitions_revoked(lost)


class KafkaSource:
    """Owns the consumer: create, use and close it on one thread.

    The group rebalances cooperatively. Not for speed alone: with kafka-python's eager assignors a partition that is
    revoked and comes straight back keeps its position, so records under way would neither be tracked nor read again.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._is_paused = False
        self._unsure: set[Partition] = set()
        self._dropped: set[Partition] = set()
        self._join()

    def _join(self) -> None:
        settings = self._settings
        self._refused_since: float | None = None
        try:
            self._consumer = GroupConsumer(
                **kafka_options(settings, "hangtag-worker"),
                metrics_enabled=False,
                group_id=settings.group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                partition_assignment_strategy=[CooperativeStickyAssignor],
                max_poll_interval_ms=_MAX_POLL_INTERVAL_MS,
                session_timeout_ms=_SESSION_TIMEOUT_MS,
                heartbeat_interval_ms=_HEARTBEAT_INTERVAL_MS,
                metadata_max_age_ms=_METADATA_MAX_AGE_MS,
                fetch_max_bytes=_FETCH_MAX_BYTES,
            )
        except KafkaError as error:
            msg = (
                f"cannot read from Kafka at {settings.bootstrap}: {type(error).__name__}: {error}; "
                "check kafka.bootstrap and that the brokers run"
            )
            raise SourceError(msg) from error
        self._wait_for_topic(settings.events_topic)
        self._listener = _Listener()
        self._consumer.subscribe([settings.events_topic], listener=self._listener)

    def _join_anew(self) -> None:
        """Leave the group as one that lost its partitions, and join it again."""
        lost = [Change(Partition(*partition), is_ours=False) for partition in self._consumer.assignment()]
        self._consumer.close(autocommit=False, timeout_ms=_CLOSE_TIMEOUT_MS)
        self._unsure.clear()
        self._join()
        self._listener.changes.extend(lost)

    def _wait_for_topic(self, topic: str) -> None:
        """Know the partitions before joining: a leader that joins without them assigns none, and leaves it at that."""
        give_up = time.monotonic() + _TOPIC_TIMEOUT_S
        while not self._consumer.partitions_for_topic(topic):
            if time.monotonic() > give_up:
                self._consumer.close(autocommit=False, timeout_ms=_CLOSE_TIMEOUT_MS)
                msg = f"the topic {topic} does not exist; create it, or name another with kafka.events_topic"
                raise SourceError(msg)
            time.sleep(_TOPIC_LOOK_S)

    def poll(self, timeout_s: float, max_records: int) -> Polled:
        """See `RecordSource`."""
        try:
            self._rewind()
            fetched = self._consumer.poll(timeout_ms=max(0, int(timeout_s * 1_000)), max_records=max(1, max_records))
        except KafkaError as error:
            if not error.retriable:
                msg = f"Kafka refuses to be read: {type(error).__name__}: {error}"
                raise SourceError(msg) from error
            _log.warning("poll_failed", error=type(error).__name__)
            fetched = {}
        changes = self._take_changes(fetched)
        records = tuple(
            _record(found)
            for partition, many in fetched.items()
            if Partition(*partition) not in self._dropped
            for found in many
        )
        return Polled(changes, records)

    def pause(self) -> None:
        """See `RecordSource`."""
        self._is_paused = True
        self._set_paused(self._consumer.assignment())

    def resume(self) -> None:
        """See `RecordSource`."""
        self._is_paused = False
        self._set_paused(self._consumer.assignment())

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """See `RecordSource`."""
        wanted = {TopicPartition(*partition): OffsetAndMetadata(offset) for partition, offset in offsets.items()}
        try:
            self._consumer.commit(wanted, timeout_ms=_COMMIT_TIMEOUT_MS)
        except _MEMBERSHIP as error:
            # Which partitions that costs us, the listener tells with the next polls.
            _log.info("commit_postponed", error=type(error).__name__)
            now = time.monotonic()
            self._refused_since = now if self._refused_since is None else self._refused_since
            if now - self._refused_since > _STUCK_S:
                _log.warning(
                    "rejoining", refused_for_s=round(now - self._refused_since), reason="the rebalance is stuck"
                )
                self._join_anew()
            return False
        except KafkaError as error:
            if not error.retriable:
                msg = f"Kafka refuses the commit: {type(error).__name__}: {error}"
                raise SourceError(msg) from error
            _log.warning("commit_failed", error=type(error).__name__)
            return False
        self._refused_since = None
        return True

    def close(self) -> None:
        """See `RecordSource`."""
        self._consumer.close(autocommit=False, timeout_ms=_CLOSE_TIMEOUT_MS)

    def _take_changes(self, fetched: Mapping[TopicPartition, object]) -> tuple[Change, ...]:
        """The listener's notes. What was fetched of a partition that left is dropped: nobody knows in which life."""
        changes = []
        while self._listener.changes:
            changes.append(self._listener.changes.popleft())
        left = {change.partition for change in changes if not change.is_ours}
        ours = {change.partition: change.is_ours for change in changes}
        self._unsure -= {partition for partition, is_ours in ours.items() if not is_ours}
        self._dropped = left | self._unsure
        # It left and came back within one poll that also brought records: read again from what is committed.
        self._unsure |= {partition for partition in left if ours[partition] and TopicPartition(*partition) in fetched}
        self._set_paused([TopicPartition(*partition) for partition, is_ours in ours.items() if is_ours])
        return tuple(changes)

    def _rewind(self) -> None:
        for partition in sorted(self._unsure):
            at = TopicPartition(*partition)
            offset = self._consumer.committed(at, timeout_ms=_COMMIT_TIMEOUT_MS)
            with suppress(KeyError, ValueError):  # it left us meanwhile
                if offset is None:
                    self._consumer.seek_to_beginning(at)
                else:
                    self._consumer.seek(at, offset)
            self._unsure.discard(partition)

    def _set_paused(self, partitions: Collection[TopicPartition]) -> None:
        change = self._consumer.pause if self._is_paused else self._consumer.resume
        for partition in partitions:
            with suppress(KeyError):  # it left us this moment
                change(partition)


def _record(found: Any) -> Record:
    return Record(
        Partition(found.topic, found.partition),
        found.offset,
        found.timestamp,
        found.key,
        found.value,
        tuple((name, value or b"") for name, value in found.headers),
    )
