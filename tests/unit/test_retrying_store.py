"""A call to the store is tried again until a deadline."""

import threading

import pytest
from redis.exceptions import OutOfMemoryError

from hangtag.kafka.options import kafka_options
from hangtag.settings import KafkaSettings
from hangtag.store import Arrival, Entry, Outcome, Reply, StoreError, StoreMismatchError
from hangtag.store.errors import store_error
from hangtag.workers.retrying_store import RetryingStore
from tests.unit.worker_parts import FailingStore

ENTRY = Entry("p", 1, b"x")


class Flaky(FailingStore):
    def __init__(self, failures, error=None):
        super().__init__()
        self.failures = failures
        self.failure = error or StoreError("away")
        self.calls = 0

    def _check(self):
        self.calls += 1
        if self.calls <= self.failures:
            raise self.failure


def test_a_write_is_tried_again():
    store = Flaky(2)

    assert RetryingStore(store, 10, threading.Event()).write([ENTRY]) == [Reply(Outcome.WRITTEN)]
    assert store.calls == 3


def test_a_write_gives_up_at_its_deadline():
    with pytest.raises(StoreError):
        RetryingStore(Flaky(10_000), 0.3, threading.Event()).write([ENTRY])


def test_a_write_gives_up_when_the_worker_stops():
    give_up = threading.Event()
    give_up.set()
    store = Flaky(10_000)

    with pytest.raises(StoreError):
        RetryingStore(store, 60, give_up).write([ENTRY])

    assert store.calls == 1


def test_a_store_that_does_not_fit_is_not_asked_again():
    store = Flaky(10_000, StoreMismatchError("buckets"))

    with pytest.raises(StoreMismatchError):
        RetryingStore(store, 60, threading.Event()).write([ENTRY])

    assert store.calls == 1


def test_marks_are_tried_once():
    store = Flaky(1)

    with pytest.raises(StoreError):
        RetryingStore(store, 60, threading.Event()).mark_seen([Arrival("p", 1)])


def test_options_carry_the_password_and_nothing_that_is_unset():
    settings = KafkaSettings(bootstrap="a:1, b:2", sasl_mechanism="PLAIN", sasl_username="u", sasl_password="s3cret")

    options = kafka_options(settings, "test")

    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert options["sasl_plain_password"].get_secret_value() == "s3cret"
    assert "ssl_cafile" not in options
    assert "s3cret" not in repr(settings) + repr(options)


def test_a_full_store_is_said_to_be_full():
    error = store_error("cache:6379", OutOfMemoryError("command not allowed when used memory > 'maxmemory'."))

    assert "cache:6379 is full" in str(error)
    assert "raise its maxmemory" in str(error)
