"""Following the pointer: from Redis, from the topic where Redis has lost it, and never backwards."""

import threading

import pytest

from hangtag.models import History, ModelsTopicError, Pointer, PointerWatch
from hangtag.store import StoreDeniedError, StoreError


def pointer(sequence: int) -> Pointer:
    return Pointer("default", sequence, f"{sequence:064x}", f"{sequence:064x}", (), sequence, sequence)


class Record:
    """The key in Redis, with the rule of its script."""

    def __init__(self) -> None:
        self.held: Pointer | None = None
        self.error: StoreError | None = None
        self.write_error: StoreError | None = None
        self.writes = self.tries = 0

    def read(self, _: str) -> Pointer | None:
        if self.error is not None:
            raise self.error
        return self.held

    def write(self, pointer: Pointer) -> bool:
        self.tries += 1
        if self.error or self.write_error:
            raise self.error or self.write_error
        if self.held is not None and self.held.sequence > pointer.sequence:
            return False
        self.held, self.writes = pointer, self.writes + 1
        return True


class Topic:
    """The topic: what is in use by it."""

    def __init__(self) -> None:
        self.held: Pointer | None = None
        self.error: ModelsTopicError | None = None
        self.reads = 0

    def read(self) -> History:
        self.reads += 1
        if self.error is not None:
            raise self.error
        history = History()
        if self.held is not None:
            history._current["default"] = self.held
        return history


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wall_ms(self) -> int:
        return 0


@pytest.fixture
def parts():
    record, topic, clock = Record(), Topic(), Clock()
    return record, topic, clock, PointerWatch(record, topic, lambda _: None, clock=clock)


def test_it_follows_redis_and_reads_the_topic_once_a_minute(parts):
    record, topic, clock, watch = parts
    record.held = topic.held = pointer(1)
    assert watch.poll() == pointer(1)
    record.held = topic.held = pointer(2)
    for _ in range(59):
        clock.now += 1
        assert watch.poll() == pointer(2)
    assert topic.reads == 1

    clock.now += 1
    watch.poll()
    assert topic.reads == 2


def test_what_redis_lost_comes_from_the_topic_and_goes_back(parts):
    record, topic, clock, watch = parts
    record.held = topic.held = pointer(3)
    watch.poll()
    record.held = None
    clock.now += 1

    assert watch.poll() == pointer(3)
    assert record.held == pointer(3)


def test_an_older_pointer_after_a_failover_is_not_followed_and_is_corrected(parts):
    record, topic, clock, watch = parts
    record.held = topic.held = pointer(5)
    watch.poll()
    record.held = pointer(4)
    clock.now += 1
    assert watch.poll() == pointer(5)

    clock.now += 60
    assert watch.poll() == pointer(5)
    assert record.held == pointer(5)


def test_while_redis_is_away_the_topic_is_asked_ever_more_rarely(parts):
    record, topic, clock, watch = parts
    record.error, topic.held = StoreError("away"), pointer(1)

    assert watch.poll() == pointer(1)
    for _ in range(120):
        clock.now += 1
        watch.poll()

    assert 5 <= topic.reads <= 9
    record.error = None
    record.held = pointer(2)
    assert watch.poll() == pointer(2)


def test_a_store_that_does_not_answer_for_a_moment_is_not_written_to(parts):
    """A connection that was cut is no loss; a server's user has no right to write, and the store would note it."""
    record, topic, clock, watch = parts
    record.held = topic.held = pointer(1)
    watch.poll()
    record.error = StoreError("connection reset")
    clock.now += 1

    assert watch.poll() == pointer(1)
    assert (topic.reads, record.tries) == (2, 0)


def test_a_user_that_may_only_read_follows_all_the_same(parts):
    record, topic, clock, watch = parts
    record.held = topic.held = pointer(1)
    watch.poll()
    record.held, record.write_error, topic.held = None, StoreDeniedError("NOPERM"), pointer(2)
    clock.now += 1

    assert watch.poll() == pointer(2)
    reads = topic.reads
    watch.poll()
    assert topic.reads == reads


def test_nothing_known_anywhere_is_no_pointer(parts):
    record, topic, _, watch = parts
    record.error, topic.error = StoreError("away"), ModelsTopicError("away")

    assert watch.poll() is None


def test_a_follower_that_fails_hears_of_the_next_one():
    record, topic, told, twice = Record(), Topic(), [], threading.Event()

    def follow(found: Pointer) -> None:
        told.append(found.sequence)
        if found.sequence == 1:
            record.held = pointer(2)
            message = "it does not load"
            raise ValueError(message)
        twice.set()

    record.held = pointer(1)
    watch = PointerWatch(record, topic, follow, poll_s=0.01)
    watch.start()
    assert twice.wait(10)
    watch.stop()

    assert told == [1, 2]
    assert not watch.is_alive()
