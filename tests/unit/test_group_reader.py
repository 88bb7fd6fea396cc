"""What a reader of a group does with the store away, and which offsets it commits, without brokers."""

import threading
from types import SimpleNamespace

import pytest
from kafka import TopicPartition
from kafka.errors import NodeNotReadyError, TopicAuthorizationFailedError

from hangtag.records import Partition, Record
from hangtag.settings import KafkaSettings
from hangtag.store import Arrival, Seen, StoreMismatchError
from hangtag.telemetry import Heartbeats
from hangtag.workers import SourceError
from hangtag.workers.arrivals import Arrivals
from hangtag.workers.arrivals_program import LIMITS_S
from hangtag.workers.arrivals_reader import ArrivalsReader
from tests.unit.worker_parts import Clock, FailingStore, store_down

AT = TopicPartition("products.events", 0)


class Consumer:
    """A topic of one partition in memory. `at_end` is called by a poll that finds nothing."""

    def __init__(self, values, at_end):
        self.values, self.at_end = values, at_end
        self.position_now = 0
        self.is_paused = self.is_closed = False
        self.is_newly_assigned = False
        self.commits: list[int] = []
        self.error: Exception | None = None

    def poll(self, timeout_ms, max_records):  # noqa: ARG002
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        if self.is_paused and not self.is_newly_assigned:
            return {}
        self.is_newly_assigned = False
        if self.position_now == len(self.values):
            self.at_end()
            return {}
        offset, self.position_now = self.position_now, self.position_now + 1
        record = SimpleNamespace(
            topic=AT.topic, partition=0, offset=offset, timestamp=1, key=None, value=self.values[offset], headers=()
        )
        return {AT: [record]}

    def assignment(self):
        return {AT}

    def position(self, at, timeout_ms):  # noqa: ARG002
        return self.position_now

    def highwater(self, at):  # noqa: ARG002
        return len(self.values)

    def seek(self, at, offset):  # noqa: ARG002
        self.position_now = offset

    def pause(self, *_):
        self.is_paused = True

    def resume(self, *_):
        self.is_paused = False

    def paused(self):
        return [AT] if self.is_paused else []

    def commit(self, offsets, timeout_ms):  # noqa: ARG002
        self.commits.append(offsets[AT].offset)

    def close(self, autocommit, timeout_ms):  # noqa: ARG002
        self.is_closed = True


class Reader(ArrivalsReader):
    """The shipped reader with that consumer; it waits for nothing."""

    def __init__(self, consumer, store):
        clock = Clock()
        super().__init__(KafkaSettings(), Arrivals(store, 1_000), Heartbeats(clock, LIMITS_S), clock)
        self.consumer, self.waits = consumer, 0
        self._stop = threading.Event()
        self._stop.wait = self.wait

    def wait(self, _):
        self.waits += 1
        return self._stop.is_set()

    def _connect(self):
        return self.consumer

    def _look(self, consumer):
        """The brokers' answers are for metrics."""


def event(version: int) -> bytes:
    return b'{"product": {"product_id": "p%d", "version": %d}}' % (version, version)


def reader_of(*versions: int) -> Reader:
    consumer = Consumer([event(version) for version in versions], lambda: None)
    reader = Reader(consumer, FailingStore())
    consumer.at_end = reader.stop
    return reader


def test_what_is_marked_is_committed_when_it_stops():
    reader = reader_of(1, 2, 3)
    reader.read()

    assert reader._arrivals._store.seen == {f"p{n}": Seen(n, 0, 0, n - 1) for n in (1, 2, 3)}
    assert reader.consumer.commits[-1] == 3
    assert reader.consumer.is_closed


def test_a_record_that_cannot_be_marked_is_tried_again_and_not_passed():
    reader = reader_of(1, 2)
    store, tries = reader._arrivals._store, []
    mark = store.mark_seen

    def fail_twice(arrivals):
        tries.append(list(arrivals))
        if len(tries) < 3:
            raise store_down()
        mark(arrivals)

    store.mark_seen = fail_twice
    reader.read()

    assert [arrivals[0].version for arrivals in tries] == [1, 1, 1, 2]
    assert (set(store.seen), reader.consumer.commits[-1]) == ({"p1", "p2"}, 2)


def test_what_comes_of_a_partition_that_is_assigned_while_it_waits_is_read_again():
    reader = reader_of(1, 2)
    store, tries = reader._arrivals._store, []
    mark = store.mark_seen

    def fail_once(arrivals):
        tries.append([each.version for each in arrivals])
        if len(tries) == 1:
            reader.consumer.is_newly_assigned = True
            raise store_down()
        mark(arrivals)

    store.mark_seen = fail_once
    reader.read()

    assert tries == [[1], [1], [2]]
    assert reader.consumer.commits[-1] == 2


def test_a_stop_while_the_store_is_away_commits_nothing_that_is_not_marked():
    reader = reader_of(1, 2)
    store = reader._arrivals._store
    mark = store.mark_seen

    def mark_one(arrivals):
        if arrivals[0].version == 2:
            reader.stop()
            raise store_down()
        mark(arrivals)

    store.mark_seen = mark_one
    reader.read()

    assert (set(store.seen), reader.consumer.commits) == ({"p1"}, [1])


def test_brokers_that_are_away_are_asked_again_and_a_topic_that_may_not_be_read_ends_it():
    reader = reader_of(1)
    reader.consumer.error = NodeNotReadyError()
    reader.read()
    assert (reader.waits, set(reader._arrivals._store.seen)) == (1, {"p1"})

    reader = reader_of(1)
    reader.consumer.error = TopicAuthorizationFailedError()
    with pytest.raises(SourceError, match=r"cannot read products\.events"):
        reader.read()


def test_a_store_that_does_not_fit_ends_it():
    reader = reader_of(1)
    reader._arrivals._store.error = StoreMismatchError("another bucket count")

    with pytest.raises(StoreMismatchError):
        reader.read()
    assert (reader.consumer.commits, reader.consumer.is_closed) == ([], True)


def test_of_many_records_of_a_product_one_mark_is_made_with_the_place_of_the_newest():
    store = FailingStore()

    def version(number: int) -> bytes:
        return b'{"product": {"product_id": "p", "version": %d}}' % number

    values = [(version(4), 0), (version(5), 1), (b"{", 2), (version(5), 3), (version(3), 4)]
    records = [Record(Partition(AT.topic, 0), offset, 1, None, value, ()) for value, offset in values]

    assert Arrivals(store, 1_000).take(records) == 4
    assert store.marks == [Arrival("p", 5, 0, 1)]
