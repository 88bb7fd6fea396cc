"""A worker whose records mostly become dead letters stops draining the topic into them, and goes on by itself."""

import pytest
from structlog.testing import capture_logs

from hangtag.store import StoreError
from hangtag.telemetry import metrics
from hangtag.workers.breaker import LEAST_DEAD, TRY_RECORDS
from tests.unit.worker_parts import House, event

WINDOW = 100


@pytest.fixture
def house() -> House:
    return House(window=WINDOW)


def bad(house: House, count: int) -> None:
    for _ in range(count):
        house.source.append(b"no event", b"p")


def good(house: House, count: int) -> None:
    for _ in range(count):
        house.source.append(event("p", 1), b"p")


def run(house: House, seconds: float) -> None:
    until = house.clock.now + seconds
    while house.clock.now < until:
        house.worker.step()


def is_shown() -> bool:
    return metrics.PAUSED.labels("dead_letters")._value.get() == 1


def test_a_topic_of_bad_records_is_not_drained_into_dead_letters(house):
    bad(house, 5_000)
    with capture_logs() as logs:
        run(house, 25)

    drained = len(house.sink.dead)
    assert LEAST_DEAD <= drained <= LEAST_DEAD + WINDOW
    assert is_shown()
    assert house.committed() == drained, "what was polled is settled and committed"
    assert all(pulse.is_healthy for pulse in house.beats.pulses())
    [line] = [line for line in logs if line["event"] == "reading_paused"]
    assert line["log_level"] == "error"
    assert "hangtag resume" in line["next"]


def test_a_pause_lasts_in_good_health_and_costs_one_try_every_30_s(house):
    bad(house, 2_000)
    run(house, 20)
    before = len(house.sink.dead)
    for _ in range(3_000):
        house.worker.step()
        assert all(pulse.is_healthy for pulse in house.beats.pulses())

    tries = (len(house.sink.dead) - before) / TRY_RECORDS
    assert 18 <= tries <= 20
    assert is_shown()


@pytest.mark.parametrize("rest", ["good", "nothing"])
def test_it_goes_on_by_itself_once_a_try_is_good_or_nothing_is_left(house, rest):
    bad(house, LEAST_DEAD)
    run(house, 10)
    if rest == "good":
        good(house, 1_000)
    assert is_shown()
    with capture_logs() as logs:
        run(house, 40)

    assert not is_shown()
    assert house.committed() == (LEAST_DEAD + 1_000 if rest == "good" else LEAST_DEAD)
    [line] = [line for line in logs if line["event"] == "reading_on"]
    assert line["reason"] == ("most are good" if rest == "good" else "nothing to read")


def test_a_person_lets_it_read_on(house):
    bad(house, 5_000)
    assert house.worker.read_on() is False
    run(house, 10)
    assert house.worker.read_on() is True
    run(house, 30)

    assert not is_shown()
    assert house.committed() == 5_000


def test_results_that_cannot_be_written_pause_it_as_before(house):
    bad(house, LEAST_DEAD + 50)
    run(house, 10)
    good(house, 10)
    house.store.error = StoreError("away")
    run(house, 100)
    settled = house.committed()
    assert metrics.PAUSED.labels("store")._value.get() == 1
    assert settled < LEAST_DEAD + 60
    house.store.error = None
    run(house, 60)

    assert house.committed() == LEAST_DEAD + 60
    assert not is_shown()


def test_as_many_dead_letters_among_more_good_records_do_not_pause_it(house):
    for _ in range(1_000):
        bad(house, 1)
        good(house, 2)
    run(house, 30)

    assert not is_shown()
    assert house.committed() == 3_000
