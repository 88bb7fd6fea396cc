"""How the worker flows: bounds, overlap, draining, swapping the tagger."""

from hangtag.tagger.stage_thread import StageThread
from tests.unit.worker_parts import FakeTagger, House, event


def test_polling_pauses_when_the_window_is_full_and_goes_on_when_it_empties():
    house = House(held=True, window=10)
    for number in range(30):
        house.source.append(event(f"p{number}", 1), None)
    house.steps()
    assert house.source.is_paused
    assert len(house.worker._held) == 10

    for _ in range(100):
        house.worker.step()
        for lane in (house.lanes.encode, house.lanes.forward, house.lanes.write):
            while lane.calls:
                lane.run_next()

    assert len(house.versions()) == 30
    assert not house.source.is_paused


def test_large_records_fill_the_window_by_their_bytes():
    house = House(held=True, max_value_bytes=1_024)
    for _ in range(3):
        house.source.append(b"x" * 40_000_000, None)
    house.worker.step()
    house.worker.step()

    assert house.source.is_paused


def test_exactly_one_batch_is_prepared_while_one_runs():
    house = House(held=True, token_budget=512, max_wait_ms=0)
    for number in range(2_000):
        house.source.append(event(f"p{number}", 1), None)
    for _ in range(20):
        house.worker.step()
        while house.lanes.encode.calls:
            house.lanes.encode.run_next()

    assert len(house.lanes.forward.calls) == 2


def test_a_lone_record_waits_for_company_no_longer_than_its_bound():
    house = House(max_wait_ms=50)
    house.source.append(event("p1", 1), None)
    house.worker.step()
    arrived = house.clock.now
    while not house.tagger.batches:
        house.worker.step()

    assert 0.0499 <= house.clock.now - arrived <= 0.07


def test_draining_finishes_what_is_polled_polls_no_more_and_commits():
    house = House(max_wait_ms=10_000)
    house.source.append(event("p1", 1), None)
    house.steps(3)
    house.source.append(event("p2", 1), None)

    assert house.worker.drain(20) is True

    assert house.versions() == {"p1": 1}
    assert house.committed() == 1


def test_draining_commits_as_soon_as_the_group_lets_it():
    house = House()
    house.source.append(event("p1", 1), None)
    house.steps(30)
    house.source.append(event("p2", 1), None)
    refusals = iter([True, True])
    commit = house.source.commit
    house.source.commit = lambda offsets: False if next(refusals, False) else commit(offsets)

    house.steps(1)
    assert house.worker.drain(20) is True

    assert house.committed() == 2


def test_draining_gives_up_at_its_deadline_and_commits_no_more_than_is_settled():
    house = House(held=True)
    house.source.append(event("p1", 1), None)
    house.steps(3)

    assert house.worker.drain(2) is False

    assert house.committed() == 0


def test_a_new_tagger_takes_over_between_batches_and_the_old_one_finishes_its_own():
    house = House(max_wait_ms=100)
    old, new = house.tagger, FakeTagger("b" * 64)
    house.source.append(event("p1", 1), None)
    house.steps(3)
    house.in_use.current = new
    house.source.append(event("p2", 1), None)
    house.steps(200)

    assert (old.batches, new.batches) == ([1], [1])
    versions = {product: entry.bundle_version[0] for product, entry in house.store.entries.items()}
    assert versions == {"p1": "a", "p2": "b"}


def test_a_lane_runs_calls_in_order_and_hands_back_what_they_raise():
    lane = StageThread("test")
    order = []

    def die():
        raise SystemExit

    first, second, third = lane.submit(order.append, 1), lane.submit(die), lane.submit(order.append, 2)
    lane.shutdown()

    assert (first.exception(), type(second.exception()), third.exception()) == (None, SystemExit, None)
    assert order == [1, 2]
