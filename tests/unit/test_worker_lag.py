"""The lag that a worker reports: by partition, of what waits in the topic too, and 0 only where all is settled."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.records import Partition
from hangtag.store import StoreError
from hangtag.telemetry import metrics
from hangtag.workers.settling_rate import SettlingRate
from hangtag.workers.tracker import Ticket
from hangtag.workers.waiting import WaitingRecords
from tests.unit.worker_parts import EVENTS, House, event

RECORDS_MS = 1_700_000_000_000  # the timestamp of every record in a `House`


def series(gauge) -> dict[str, float]:
    return {sample.labels["partition"]: sample.value for sample in gauge.collect()[0].samples}


def lag() -> dict[str, float]:
    return series(metrics.LAG_RECORDS)


def ages() -> dict[str, float]:
    return series(metrics.OLDEST_UNSETTLED_SECONDS)


def drain_s() -> float:
    return metrics.DRAIN_SECONDS._value.get()


@pytest.fixture
def house() -> House:
    made = House(window=10)
    made.clock.now = RECORDS_MS / 1_000 + 3_600
    made.source.assign(1)
    return made


def fill(house: House, count: int, number: int = 0) -> None:
    for _ in range(count):
        house.source.append(event(f"p{number}-{len(house.source.log)}", 1), number=number)


def test_a_worker_that_has_settled_all_has_no_lag_also_behind_transactions(house):
    fill(house, 5)
    house.source.markers[Partition(EVENTS, 0)] = 2
    house.steps(100)

    assert (lag(), ages(), drain_s()) == ({"0": 0, "1": 0}, {"0": 0, "1": 0}, 0)


def test_records_count_from_the_topic_and_not_from_the_poll_while_the_store_is_away(house):
    """The window is full of 10; 100 wait in the topic, and more come meanwhile."""
    house.store.error = StoreError("away")
    fill(house, 100)
    fill(house, 7, number=1)
    house.steps(200)
    assert lag() == {"0": 100, "1": 7}
    assert ages()["0"] >= 3_600
    assert drain_s() == math.inf

    fill(house, 20)
    house.steps(200)
    assert lag()["0"] == 120

    house.store.error = None
    house.steps(400)
    assert (lag(), set(ages().values()), drain_s()) == ({"0": 0, "1": 0}, {0}, 0)


def test_what_waits_in_the_topic_has_an_age_though_all_that_was_polled_is_settled(house):
    """Everything polled is settled and reading is paused: the age is that of what comes next."""
    fill(house, 4)
    house.steps(50)
    assert ages()["0"] == 0
    house.source.pause()
    house.worker._is_paused = True
    house.worker._is_draining = True

    house.clock.now += 600
    house.steps(5)
    assert ages()["0"] == 0
    fill(house, 3)
    house.clock.now += 90
    house.steps(5)

    assert lag()["0"] == 3
    assert 90 <= ages()["0"] <= 95, "it came after the time when everything was settled"


def test_the_age_is_that_of_the_oldest_record_of_each_partition():
    house = House(held=True)
    house.source.assign(1)
    house.clock.now = RECORDS_MS / 1_000 + 60
    fill(house, 2)
    house.steps(10)

    assert 60 <= ages()["0"] <= 63
    assert ages()["1"] == 0


def test_the_series_of_a_revoked_partition_end(house):
    fill(house, 3)
    fill(house, 3, number=1)
    house.steps(20)
    house.source.revoke(1)
    house.steps(20)

    assert (set(lag()), set(ages())) == ({"0"}, {"0"})
    assert metrics.ASSIGNED_PARTITIONS._value.get() == 1


def test_lag_stays_as_it_was_while_the_brokers_are_away(house):
    house.store.error = StoreError("away")
    fill(house, 30)
    house.steps(50)
    house.source.is_away = True
    house.steps(50)

    assert lag()["0"] == 30


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 1_000_000), st.booleans()),
        max_size=300,
    )
)
def test_the_oldest_waiting_record_is_the_smallest_timestamp(steps):
    waiting, known = WaitingRecords(), {}
    for offset, (number, since_ms, removes) in enumerate(steps):
        if removes and known:
            ticket = min(known)
            waiting.remove(ticket, 0)
            del known[ticket]
        ticket = Ticket(Partition(EVENTS, number), 1, offset)
        waiting.add(ticket, since_ms, 1)
        known[ticket] = since_ms
        for partition in {ticket.partition for ticket in known}:
            assert waiting.oldest_ms(partition) == min(at for one, at in known.items() if one.partition == partition)
    assert waiting.oldest_ms(Partition(EVENTS, 9)) is None


def test_settled_records_do_not_pile_up_behind_one_that_waits_for_ever():
    waiting = WaitingRecords()
    partition = Partition(EVENTS, 0)
    waiting.add(Ticket(partition, 1, 0), 0, 1)
    for offset in range(1, 50_000):
        waiting.add(Ticket(partition, 1, offset), offset, 1)
        waiting.remove(Ticket(partition, 1, offset), offset)

    assert waiting.oldest_ms(partition) == 0
    assert len(waiting._oldest[partition]) < 2_000


def measured(rate: SettlingRate, since_s: int, until_s: int, per_second: int, lag: int) -> float:
    found = 0.0
    for second in range(since_s, until_s):
        rate.settled(per_second)
        found = rate.drain_s(lag, second)
    return found


def test_the_time_to_drain_follows_the_rate_of_about_a_minute():
    rate = SettlingRate(0)

    assert measured(rate, 1, 10, per_second=50, lag=1_000) == pytest.approx(20, rel=0.01), "true from the start"
    measured(rate, 10, 120, per_second=50, lag=1_000)
    assert 35 < measured(rate, 120, 180, per_second=10, lag=1_000) < 70
    assert measured(rate, 180, 600, per_second=10, lag=1_000) == pytest.approx(100, rel=0.01)


def test_nothing_settled_for_a_minute_is_infinite_and_idle_time_is_not_counted():
    rate = SettlingRate(0)
    assert rate.drain_s(10, 1) == math.inf, "nothing was ever settled"
    measured(rate, 2, 100, per_second=50, lag=10)
    assert measured(rate, 100, 159, per_second=0, lag=10) < math.inf
    assert measured(rate, 159, 161, per_second=0, lag=10) == math.inf

    measured(rate, 161, 400, per_second=50, lag=10)
    measured(rate, 400, 40_000, per_second=0, lag=0)
    assert rate.drain_s(1_000, 40_001) == pytest.approx(20, rel=0.05), "a night without work"
