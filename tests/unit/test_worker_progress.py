"""How far a worker says that it is, for estimates of when tags come."""

import pytest

from hangtag.records import Partition
from hangtag.workers.batches import Batch, Pace
from hangtag.workers.settling_rate import SettlingRate
from tests.unit.worker_parts import EVENTS, House, event


def fill(house: House, count: int, number: int = 0) -> None:
    for each in range(count):
        house.source.append(event(f"p{number}-{each}", 1), number=number)


def test_before_anything_is_polled_a_worker_has_no_progress():
    assert House().worker.progress.partitions == {}


def test_a_worker_tells_what_it_has_polled_what_is_in_batches_and_what_waits():
    house = House(held=True, window=10, token_budget=512)
    house.source.assign(1)
    fill(house, 100)
    fill(house, 3, number=1)
    house.steps(20)
    while house.threads.encode.calls:
        house.threads.encode.run_next()
    house.steps(50)

    first, second = (house.worker.progress.partitions[number] for number in (0, 1))
    assert (first.next_offset, first.end, second.next_offset, second.end) == (0, 100, 0, 3)
    assert first.position == house.source.next_offsets[Partition(EVENTS, 0)]
    assert first.waiting == second.waiting == first.position + second.position
    assert first.worker == second.worker
    assert (first.per_s, first.batches) == (0, ()), "nothing was settled yet, and no batch is done"

    forward = house.tagger.forward

    def for_a_second(tokens):
        house.clock.now += 1
        return forward(tokens)

    house.tagger.forward = for_a_second
    house.threads.forward.run_next()
    house.steps(50)
    first = house.worker.progress.partitions[0]
    written = first.batches[0]
    assert written.bits.bit_count() + second.position == first.in_batches == first.waiting
    assert first.per_s > 0, "the pace of the engine"


def test_what_is_settled_moves_the_lowest_offset_and_gives_a_rate():
    house = House(window=10)
    fill(house, 50)
    house.steps(200)

    found = house.worker.progress.partitions[0]
    assert (found.next_offset, found.position, found.end, found.waiting) == (50, 50, 50, 0)
    assert found.per_s > 0


def test_a_partition_that_is_taken_away_is_not_told_any_more():
    house = House()
    house.source.assign(1)
    fill(house, 3)
    house.steps(200)
    house.source.revoke(0)
    house.steps(200)

    assert set(house.worker.progress.partitions) == {1}


class Item:
    """Of an item what matters here."""

    def __init__(self, ticket, older=()):
        self.ticket, self.older = ticket, older


def test_batches_follow_each_other_at_the_pace_of_the_engine_and_then_are_written():
    pace, done = Pace(), Batch([Item(1), Item(2, (Item(3),))], 512, 100, started_s=0.0, took_s=1.0)
    assert pace.due([], [done], 0.0) == [], "no batch is done yet"
    pace.ran(done)
    pace.wrote(0.4)
    running, next_one = Batch([Item(4)], 512, 200, started_s=10.0), Batch([Item(5, (Item(6),))], 512, 100)

    found = pace.due([Item(7)], [running, next_one], 10.5)

    assert [each.tickets for each in found] == [[7], [4], [5, 6]]
    assert [each.in_s for each in found] == pytest.approx([0.2, 1.5 + 0.2, 2.5 + 0.2])
    assert pace.per_s == pytest.approx(3), "older events of a product are settled too"
    overdue = pace.due([], [running], 14.0)
    assert overdue[1].in_s == pytest.approx(0.5 + 0.2), "a quarter of what it takes"


def test_the_rate_for_estimates_leaves_out_how_long_the_first_records_took():
    """They go through all stages, while those behind them follow closely."""
    rate = SettlingRate(0, 30, skips_first=True)
    rate.drain_s(1_000, 1)
    rate.settled(100)
    rate.drain_s(900, 11)
    assert rate.per_s == 0
    for second in range(12, 20):
        rate.settled(50)
        rate.drain_s(500, second)

    assert rate.per_s == pytest.approx(50)
    assert rate.blended_with(200, 7) == pytest.approx(125, rel=0.02), "as long as it was measured"
    assert SettlingRate(0).blended_with(200, 7) == 200
    assert rate.blended_with(0, 7) == rate.per_s
