"""A rebuild of the store: the topic is read once, and again from what the store still has if it loses something."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby, islice
from typing import Any

from kafka.errors import KafkaError

from hangtag.cli.chunk_thread import ChunkThread
from hangtag.cli.errors import CommandError
from hangtag.cli.topic import TopicReader, reason_of
from hangtag.kafka.tagged_topic import check_tagged_topic, topic_id
from hangtag.kafka.topic_config import TopicConfigError
from hangtag.records import Record
from hangtag.settings import Settings
from hangtag.store import RebuildStore, StoreError, StoreWentBackError
from hangtag.workers.retrying_store import RetryingStore
from hangtag.write import KafkaSink, PartitionRebuild, RecordSink, SinkError

_TRY_FOR_S = 30
# Records per round trip to the store: enough that the trips do not count, few enough to be answered in time.
_AT_ONCE = 1_000
_LOSSES = 5


class Rebuilding:
    """One run of `hangtag rebuild`. One thread calls it.

    Attributes:
        reader: the topic.
        address: that of the store.
        read: records that were read.
        produced: products whose newest entry was produced again.
        begins_at: the offsets, by partition, at which it went on; empty if it began with the first record.
    """

    def __init__(self, reader: TopicReader, store: RebuildStore, sink: RecordSink, topic_id: str) -> None:
        self.reader = reader
        self.address = store.address
        self._store = store
        self._sink = sink
        self._topic_id = topic_id
        self._give_up = threading.Event()
        self._retrying = RetryingStore(store, _TRY_FOR_S, self._give_up)
        self._partitions: dict[int, PartitionRebuild] = {}
        self._before: Counter[str] = Counter()
        self.read = self.produced = 0
        self.begins_at: dict[int, int] = {}

    @property
    def counts(self) -> Counter[str]:
        """Entries `restored` and `held`, and records `unreadable`; see `PartitionRebuild`."""
        found = self._before.copy()
        for each in self._partitions.values():
            found.update(restored=each.restored, held=each.held, unreadable=each.unreadable)
        return found

    def run(self, show: Callable[[], None], warn: Callable[[str], None], *, from_start: bool) -> None:
        """Fill the store. `show` is called after each chunk.

        Raises:
            CommandError: the brokers sent nothing for a minute.
            StoreError: the store does not answer, or loses its data again and again.
            SinkError: the brokers did not acknowledge everything.
        """
        for attempt in range(_LOSSES):
            self.begins_at = self._store.begin(
                self._topic_id, list(self.reader.positions()), from_start=from_start and not attempt
            )
            self.reader.start_at(self.begins_at)
            try:
                self._pass_over(show)
            except StoreWentBackError as error:
                warn(f"{error}. Going on with what it still has")
            else:
                return
        msg = f"the store lost data {_LOSSES} times; find out why it restarts, fails over or is flushed"
        raise CommandError(msg)

    def stop(self) -> None:
        """Save how far it has come, if the store answers."""
        self._give_up.set()
        with suppress(StoreError):
            self._store.save()

    def _pass_over(self, show: Callable[[], None]) -> None:
        self._before = self.counts
        self._partitions = {number: PartitionRebuild(self._retrying, self._sink) for number in self.reader.positions()}
        with ChunkThread(self._take) as thread:
            try:
                for chunk in self.reader.chunks_until_end():
                    thread.give(chunk, self.reader.positions())
                    self.read += len(chunk)
                    show()
                thread.finish()
            except BaseException:
                self._give_up.set()  # the thread is to end
                raise
        for each in self._partitions.values():
            self.produced += each.finish()
        self._store.note(self.reader.positions())
        self._store.end()

    def _take(self, chunk: list[Any], positions: dict[int, int]) -> None:
        for number, found in groupby(chunk, lambda each: each.partition):
            records = map(Record.of, found)
            while some := list(islice(records, _AT_ONCE)):
                self._partitions[number].take(some)
        self._store.note(
            {number: self._partitions[number].next_offset(position) for number, position in positions.items()}
        )


@contextmanager
def open_rebuilding(settings: Settings, warn: Callable[[str], None]) -> Iterator[Rebuilding]:
    """A rebuild with its connections. However the block is left, what was done so far is saved.

    Raises:
        CommandError: Kafka or the store does not answer, also for long within the block; the message says what to do.
    """
    store, sink = RebuildStore(settings.redis), KafkaSink(settings.kafka, "hangtag-cli")
    try:
        with TopicReader(settings.kafka, settings.kafka.tagged_topic) as reader:
            _check_topic(settings, warn)
            work = Rebuilding(reader, store, sink, topic_id(settings.kafka))
            try:
                yield work
            except BaseException:
                work.stop()
                raise
    except (StoreError, SinkError, KafkaError) as error:
        reason = reason_of(error) if isinstance(error, KafkaError) else str(error)
        msg = f"{reason}. Then run `hangtag rebuild` again: it goes on where it stopped"
        raise CommandError(msg) from error
    finally:
        sink.close()
        store.close()


def _check_topic(settings: Settings, warn: Callable[[str], None]) -> None:
    """What the topic still has is restored in any case."""
    topic = settings.kafka.tagged_topic
    try:
        if not check_tagged_topic(settings.kafka, settings.redis.deleted_ttl_s):
            warn(f"the brokers do not tell the configuration of {topic}: compare it with docs/operations.md")
    except TopicConfigError as error:
        warn(f"{error}. What the topic has lost already is not restored")
