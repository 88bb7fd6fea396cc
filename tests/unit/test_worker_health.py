"""Invariant 6 of the worker: a stage that fails ends the process, and health is an age."""

from queue import Queue

import pytest
from structlog.testing import capture_logs

from hangtag.store import StoreError, StoreMismatchError, StoreState
from hangtag.telemetry import metrics
from hangtag.workers import SourceError, StageError
from hangtag.workers.store_watch import StoreWatch
from tests.unit.worker_parts import FailingStore, House, event


@pytest.mark.parametrize("stage", ["encode", "forward", "write"])
def test_a_stage_that_fails_ends_the_worker(stage, monkeypatch):
    house = House()
    cause = SystemExit("gone")

    def die(*_args, **_options):
        raise cause

    monkeypatch.setattr(f"hangtag.workers.worker.{stage}", die)
    house.source.append(event("p1", 1), b"p1")

    with pytest.raises(StageError, match=stage) as caught:
        house.steps()

    assert caught.value.__cause__ is cause
    assert house.committed() == 0


def test_a_store_that_does_not_fit_the_settings_ends_the_worker():
    house = House()
    house.store.error = StoreMismatchError("buckets")
    house.source.append(event("p1", 1), b"p1")

    with pytest.raises(StoreMismatchError):
        house.steps()


def test_a_source_that_gives_up_ends_the_worker(monkeypatch):
    house = House()

    def give_up(*_args):
        msg = "not allowed"
        raise SourceError(msg)

    monkeypatch.setattr(house.source, "poll", give_up)

    with pytest.raises(SourceError):
        house.worker.step()


def test_health_is_the_age_of_the_last_poll_and_the_last_batch():
    house = House(held=True)
    house.source.append(event("p1", 1), b"p1")
    house.worker.step()
    house.clock.now += 50
    ages = {pulse.name: (pulse.age_s >= 50, pulse.is_healthy) for pulse in house.beats.pulses()}
    assert ages == {"poll": (True, False), "batch": (True, True), "kafka": (True, True)}

    house.clock.now += 80
    house.worker.step()

    healthy = {pulse.name: pulse.is_healthy for pulse in house.beats.pulses()}
    assert healthy == {"poll": True, "batch": False, "kafka": True}


def test_brokers_that_fall_silent_are_logged_at_the_start_and_at_the_end_and_do_not_fail_health():
    house = House()
    house.steps(100)
    house.source.is_away = True
    with capture_logs() as logs:
        house.steps(450)
        ages = {pulse.name: pulse.age_s for pulse in house.beats.pulses()}
        assert 89 <= ages["kafka"] <= 91
        assert 89 <= metrics.KAFKA_ANSWER_AGE_SECONDS._value.get() <= 91
        assert all(pulse.is_healthy for pulse in house.beats.pulses())
        house.source.is_away = False
        house.steps(100)

    found = [line for line in logs if line["event"].startswith("kafka_")]
    assert [(line["log_level"], line["event"]) for line in found] == [
        ("error", "kafka_silent"),
        ("info", "kafka_answers"),
    ]
    assert found[0]["for_s"] == 15
    assert "kafka.bootstrap" in found[0]["next"]
    assert 89 <= found[1]["silent_for_s"] <= 91


def test_a_record_waits_since_its_timestamp():
    """As listed, not as polled: what lay in the topic for a minute has waited for a minute."""
    house = House(held=True)
    house.clock.now = 1_700_000_060.0
    house.source.append(event("p1", 1), b"p1")
    for _ in range(10):
        house.worker.step()
    assert 60 <= metrics.OLDEST_UNSETTLED_SECONDS.labels("0")._value.get() <= 62

    while not house.versions():
        for thread in (house.threads.encode, house.threads.forward, house.threads.write):
            while thread.calls:
                thread.run_next()
        house.worker.step()
    house.steps(3)

    assert metrics.OLDEST_UNSETTLED_SECONDS.labels("0")._value.get() == 0


def test_a_store_watch_that_meets_an_unexpected_error_says_so():
    """Its thread is over then: the process has to end."""

    class Broken(FailingStore):
        address = "127.0.0.1:1"
        eviction_policy = "noeviction"
        checks = 0

        def check(self) -> StoreState:
            self.checks += 1
            if self.checks > 1:
                msg = "a bug"
                raise RuntimeError(msg)
            return StoreState("a" * 32)

    failures: Queue[Exception] = Queue()
    watch = StoreWatch(Broken(), failures.put, every_s=0.01)
    watch.start()

    assert isinstance(failures.get(timeout=10), RuntimeError)
    watch.close()


def test_a_worker_without_work_is_healthy():
    house = House()
    house.steps(2_000)

    assert all(pulse.is_healthy for pulse in house.beats.pulses())


@pytest.mark.parametrize("down", ["store", "sink"])
def test_a_worker_that_waits_for_redis_or_kafka_is_healthy(down):
    """A restart would not fix them."""
    house = House()
    if down == "store":
        house.store.error = StoreError("away")
    else:
        house.sink.is_down = True
    house.source.append(event("p1", 1), b"p1")

    for _ in range(300):
        house.clock.now += 1
        house.worker.step()

    assert all(pulse.is_healthy for pulse in house.beats.pulses())
    assert house.committed() == 0
