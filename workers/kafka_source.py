"""Records from Kafka, by kafka-python."""

import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from kafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from kafka.structs import MemberState

from hangtag.kafka.internals import last_read_s
from hangtag.kafka.options import kafka_options
from hangtag.kafka.trouble import KafkaSettingsError, check_settings, watching
from hangtag.records import Partition, Record
from hangtag.settings import KafkaSettings
from hangtag.telemetry import get_log
from hangtag.workers.end_offsets import EndOffsets
from hangtag.workers.group_consumer import GroupConsumer
from hangtag.workers.membership import membership
from hangtag.workers.refusals import Refusals
from hangtag.workers.source import Change, Membership, Poll, SourceError, Unreadable
from hangtag.workers.topics import wait_for_topics
from hangtag.workers.unreadable import UnreadableBatches

# The brokers wait this long for a member at a rebalance, so a hung worker delays its group no longer.
_MAX_POLL_INTERVAL_MS = 45_000
# By then the brokers have removed whoever delayed a rebalance: a member whose commits are still refused has lost its
# group.
_STUCK_S = _MAX_POLL_INTERVAL_MS / 1_000 + 15
_COMMIT_TIMEOUT_MS = 3_000
# New partitions of the topic are noticed after this long.
_METADATA_MAX_AGE_MS = 30_000
_CLOSE_TIMEOUT_MS = 5_000
# What the metadata of a committed offset begins with.
_STORE = "store="
_FETCH_MAX_BYTES = 16 * 1_048_576
# The client returns what it fetched partition by partition: a backlog is read in small turns, so that no partition
# waits for another, and how long an event waits follows from how many are before it.
_PARTITION_FETCH_BYTES = 65_536
# How long a broker holds a fetch that finds nothing. Apache Kafka answers as soon as a record comes; Tansu looks again
# only after half of this time, and at its end, so that an event waits for half of it.
_FETCH_WAIT_MS = 50
_MEMBERSHIP = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)

_log = get_log(__name__)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # kafka-python carries no types
    """Runs on the consumer's I/O thread, where nothing may block: it leaves changes for the polling thread."""

    def __init__(self) -> None:
        self.changes: deque[Change] = deque()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.changes.extend(Change(Partition(*partition), is_assigned=True) for partition in assigned)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self.changes.extend(Change(Partition(*partition), is_assigned=False) for partition in revoked)

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self.on_partitions_revoked(lost)


class KafkaSource:
    """Owns the consumer. One thread at a time may use it."""

    def __init__(self, settings: KafkaSettings, deleted_ttl_s: int = 604_800) -> None:
        self._settings = settings
        self._deleted_ttl_s = deleted_ttl_s
        self._refusals = Refusals()
        self._is_paused = False
        self._to_rewind: set[Partition] = set()
        self._dropped: set[Partition] = set()
        self._unreadable = UnreadableBatches()
        self._answered_s = time.monotonic()
        self._membership = Membership(is_member=False, partitions=0)
        self._join()

    def _join(self) -> None:
        settings = self._settings
        self._refusals.over()
        self._ends = EndOffsets()
        with watching(settings) as trouble:
            try:
                check_settings(settings)
                self._consumer = GroupConsumer(
                    **kafka_options(settings, "hangtag-worker"),
                    **membership(settings, settings.group),
                    metrics_enabled=False,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    isolation_level="read_committed",
                    allow_auto_create_topics=False,
                    max_poll_interval_ms=_MAX_POLL_INTERVAL_MS,
                    metadata_max_age_ms=_METADATA_MAX_AGE_MS,
                    fetch_max_bytes=_FETCH_MAX_BYTES,
                    fetch_max_wait_ms=_FETCH_WAIT_MS,
                    max_partition_fetch_bytes=_PARTITION_FETCH_BYTES,
                )
            except KafkaSettingsError as error:
                msg = f"cannot read from Kafka: {error}"
                raise SourceError(msg) from error
            except KafkaError as error:
                msg = f"cannot read from Kafka at {settings.bootstrap}: {trouble.explain(error)}"
                raise SourceError(msg) from error
        self._wait_for_topics()
        self._listener = _Listener()
        self._consumer.subscribe([settings.events_topic], listener=self._listener)

    def _rejoin(self) -> None:
        """Leave the group as a member that lost its partitions, and join it again."""
        lost = [Change(Partition(*partition), is_assigned=False) for partition in self._consumer.assignment()]
        self._consumer.close(autocommit=False, timeout_ms=_CLOSE_TIMEOUT_MS)
        self._to_rewind.clear()
        self._join()
        self._listener.changes.extend(lost)

    def _wait_for_topics(self) -> None:
        """The topics of the results are looked for as well, since without one of them nothing can be settled."""
        settings = self._settings
        topics = [settings.events_topic, settings.tagged_topic, settings.dead_letter_topic]
        topics += filter(None, (settings.texts_topic, settings.vectors_topic))
        try:
            wait_for_topics(self._consumer, settings, topics, self._deleted_ttl_s)
        except SourceError:
            self._consumer.close(autocommit=False, timeout_ms=_CLOSE_TIMEOUT_MS)
            raise

    def poll(self, timeout_s: float, max_records: int) -> Poll:
        """See `RecordSource`."""
        try:
            self._rewind()
            fetched = self._consumer.poll(timeout_ms=max(0, int(timeout_s * 1_000)), max_records=max(1, max_records))
        except KafkaError as error:
            if not error.retriable:
                msg = f"cannot read from Kafka: {type(error).__name__}: {error}"
                raise SourceError(msg) from error
            _log.warning("poll_failed", error=type(error).__name__)
            fetched = {}
        is_member = self._consumer.group_metadata().state is MemberState.STABLE
        self._membership = Membership(is_member, len(self._consumer.assignment()))
        changes = self._take_changes(fetched)
        records: list[Record | Unreadable] = []
        for at, many in fetched.items():
            if Partition(*at) not in self._dropped:
                records += self._read(at, many)
        return Poll(changes, tuple(records))

    def _read(self, at: TopicPartition, many: Sequence[Any]) -> list[Record | Unreadable]:
        place = self._unreadable.fetch_again(Partition(*at), many)
        if place is not None:
            offset = many[place].value.first
            _log.warning("batch_fetched_again", topic=at.topic, number=at.partition, offset=offset)
            with suppress(KeyError, ValueError, IllegalStateError):  # it was revoked meanwhile
                self._consumer.seek(at, offset)
            many = many[:place]
        return [self._unreadable.record_of(found) for found in many]

    @property
    def membership(self) -> Membership:
        """As of the last poll; any thread may ask."""
        return self._membership

    def pause(self) -> None:
        """See `RecordSource`."""
        self._is_paused = True
        self._set_paused(self._consumer.assignment())

    def resume(self) -> None:
        """See `RecordSource`."""
        self._is_paused = False
        self._set_paused(self._consumer.assignment())

    def commit(self, offsets: Mapping[Partition, int], store_identity: str) -> bool:
        """See `RecordSource`. The identity is kept in the metadata of the committed offsets."""
        metadata = f"{_STORE}{store_identity}" if store_identity else ""
        new = {TopicPartition(*partition): OffsetAndMetadata(offset, metadata) for partition, offset in offsets.items()}
        try:
            self._consumer.commit(new, timeout_ms=_COMMIT_TIMEOUT_MS)
        except _MEMBERSHIP as error:
            # The listener reports with the next polls which partitions are lost.
            refused_for_s = self._refusals.refused(time.monotonic())
            if refused_for_s == 0:
                _log.info("commit_postponed", error=type(error).__name__, reason="the group is rebalancing")
            elif refused_for_s > _STUCK_S:
                _log.warning("rejoining", refused_for_s=round(refused_for_s), reason="the rebalance is stuck")
                self._rejoin()
            return False
        except KafkaError as error:
            if not error.retriable:
                msg = f"cannot commit to Kafka: {type(error).__name__}: {error}"
                raise SourceError(msg) from error
            _log.warning("commit_failed", error=type(error).__name__)
            return False
        self._refusals.over()
        return True

    def positions(self) -> Mapping[Partition, int]:
        """See `RecordSource`."""
        found = {}
        # Whatever is left of a rebalance comes with the next poll; the records of these partitions are read again.
        uncertain = self._to_rewind | {change.partition for change in self._listener.changes}
        for at in self._consumer.assignment():
            if Partition(*at) not in uncertain:
                with suppress(KafkaError, KeyError, ValueError):  # it was revoked this moment
                    if (offset := self._consumer.position(at, timeout_ms=0)) is not None:
                        found[Partition(*at)] = offset
        return found

    def ends(self) -> Mapping[Partition, int]:
        """See `RecordSource`. They end with the last finished transaction."""
        return self._ends.of(self._consumer, self._consumer.assignment(), time.monotonic())

    def last_answer_s(self) -> float:
        """See `RecordSource`."""
        found = last_read_s(self._consumer)
        if found is not None:
            self._answered_s = max(self._answered_s, found)
        return self._answered_s

    def close(self) -> None:
        """See `RecordSource`."""
        self._consumer.close(autocommit=False, timeout_ms=_CLOSE_TIMEOUT_MS)

    def _take_changes(self, fetched: Mapping[TopicPartition, object]) -> tuple[Change, ...]:
        """What the listener left. Records of a revoked partition are dropped: it is unclear when they were fetched."""
        changes = []
        while self._listener.changes:
            changes.append(self._listener.changes.popleft())
        if changes:
            self._refusals.over()
        revoked = {change.partition for change in changes if not change.is_assigned}
        now = {change.partition: change.is_assigned for change in changes}
        self._to_rewind -= {partition for partition, is_assigned in now.items() if not is_assigned}
        self._dropped = revoked | self._to_rewind
        # Revoked and assigned again within one poll that also returned records: read again from the committed offset.
        self._to_rewind |= {
            partition for partition in revoked if now[partition] and TopicPartition(*partition) in fetched
        }
        self._set_paused([TopicPartition(*partition) for partition, is_assigned in now.items() if is_assigned])
        try:
            for place, change in enumerate(changes):
                if change.is_assigned:
                    changes[place] = self._with_committed(change)
        except KafkaError as error:
            # The others are not asked for: brokers that do not answer would hold up the poll for each of them.
            _log.warning("committed_offset_unknown", error=type(error).__name__)
        return tuple(changes)

    def _with_committed(self, change: Change) -> Change:
        """The change with the partition's committed offset and the store that held the results then."""
        at = TopicPartition(*change.partition)
        found = self._consumer.committed(at, metadata=True, timeout_ms=_COMMIT_TIMEOUT_MS)
        if found is None:
            return change
        metadata = found.metadata or ""
        identity = metadata.removeprefix(_STORE) if metadata.startswith(_STORE) else ""
        return replace(change, store_identity=identity, committed=found.offset)

    def _rewind(self) -> None:
        for partition in sorted(self._to_rewind):
            at = TopicPartition(*partition)
            offset = self._consumer.committed(at, timeout_ms=_COMMIT_TIMEOUT_MS)
            with suppress(KeyError, ValueError):  # it was revoked meanwhile
                if offset is None:
                    self._consumer.seek_to_beginning(at)
                else:
                    self._consumer.seek(at, offset)
            self._to_rewind.discard(partition)

    def _set_paused(self, partitions: Collection[TopicPartition]) -> None:
        change = self._consumer.pause if self._is_paused else self._consumer.resume
        for partition in partitions:
            with suppress(KeyError):  # it was revoked this moment
                change(partition)
