"""How the worker flows: bounds, overlap, draining, swapping the tagger."""

from structlog.testing import capture_logs

from hangtag.records import Partition
from hangtag.tagger.release import Release
from hangtag.tagger.stage_thread import StageThread
from tests.unit.worker_parts import EVENTS, FakeTagger, House, event, store_down


def test_polling_pauses_when_the_window_is_full_and_resumes_when_it_empties():
    house = House(held=True, window=10)
    for number in range(30):
        house.source.append(event(f"p{number}", 1), None)
    house.steps()
    assert house.source.is_paused
    assert len(house.worker._unsettled) == 10

    for _ in range(100):
        house.worker.step()
        for thread in (house.threads.encode, house.threads.forward, house.threads.write):
            while thread.calls:
                thread.run_next()

    assert len(house.versions()) == 30
    assert not house.source.is_paused


def test_large_records_fill_the_window_by_size():
    house = House(held=True, max_record_bytes=1_024)
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
        while house.threads.encode.calls:
            house.threads.encode.run_next()

    assert len(house.threads.forward.calls) == 2


def test_a_record_goes_to_a_free_engine_at_once():
    house = House(max_wait_ms=10_000)
    house.source.append(event("p1", 1), None)

    house.steps(3)

    assert house.tagger.batches == [1]
    assert house.clock.now < 1_001


def test_while_the_engine_is_busy_a_record_waits_for_others_no_longer_than_max_wait():
    house = House(held=True, max_wait_ms=50)

    def encode(product: str) -> float:
        house.source.append(event(product, 1), None)
        house.worker.step()
        house.threads.encode.run_next()
        return house.clock.now

    encode("p1")
    house.worker.step()
    assert len(house.threads.forward.calls) == 1
    arrived = encode("p2")
    while len(house.threads.forward.calls) == 1:
        house.worker.step()

    assert 0.0499 <= house.clock.now - arrived <= 0.07


def test_draining_finishes_and_commits_what_was_polled_and_polls_no_more():
    house = House(max_wait_ms=10_000)
    house.source.append(event("p1", 1), None)
    house.steps(3)
    house.source.append(event("p2", 1), None)

    assert house.worker.drain(20) is True

    assert house.versions() == {"p1": 1}
    assert house.committed() == 1


def test_draining_commits_as_soon_as_the_group_accepts_it():
    house = House()
    house.source.append(event("p1", 1), None)
    house.steps(30)
    house.source.append(event("p2", 1), None)
    refusals = iter([True, True])
    commit = house.source.commit
    house.source.commit = lambda *offsets: False if next(refusals, False) else commit(*offsets)

    house.steps(1)
    assert house.worker.drain(20) is True

    assert house.committed() == 2


def test_draining_stops_at_its_deadline_and_commits_only_what_is_settled():
    house = House(held=True)
    house.source.append(event("p1", 1), None)
    house.steps(3)

    assert house.worker.drain(2) is False

    assert house.committed() == 0


def test_draining_waits_only_a_few_seconds_for_a_store_that_fails():
    house = House()
    house.source.append(event("p1", 1), None)
    house.store.error = store_down()
    house.steps(30)
    began = house.clock.now

    assert house.worker.drain(20) is False

    assert house.clock.now - began < 6
    assert house.committed() == 0


def test_an_outage_of_the_store_is_logged_once():
    """With address, reason and next step, however many batches and tries fail."""
    house = House()
    for _ in range(2):
        house.store.error = store_down()
        with capture_logs() as logs:
            for number in range(20):
                house.source.append(event(f"p{number}", 1), None)
                house.steps(30)

        failures = [line for line in logs if line["event"] in ("mark_seen_failed", "write_failed")]
        assert [line["event"] for line in failures] == ["mark_seen_failed", "write_failed"]
        assert all("the store does not answer" in line["message"] and line["next"] for line in failures)
        house.store.error = None
        house.source.append(event("p", 1), None)
        house.steps(300)


def test_draining_says_that_what_was_settled_is_not_committed():
    house = House()
    house.source.append(event("p1", 1), None)
    house.source.refuses_commits = True
    house.steps(30)

    assert house.worker.drain(5) is False

    assert house.committed() == 0


def test_offsets_that_are_never_polled_are_committed_when_everything_is_settled():
    house = House(held=True)
    partition = Partition(EVENTS, 0)
    house.source.markers[partition] = 3
    house.source.append(event("p1", 1), None)
    house.steps(60)
    assert house.committed() == 0
    for _ in range(300):
        house.worker.step()
        for thread in (house.threads.encode, house.threads.forward, house.threads.write):
            while thread.calls:
                thread.run_next()

    assert house.committed() == 4


def test_a_position_is_not_committed_before_the_store_was_compared_with_the_one_in_the_committed_offset():
    """A commit replaces the identity of the store that held the results."""
    house = House()
    partition = Partition(EVENTS, 0)
    house.source.committed[partition], house.source.identities[partition] = 0, "the store that was lost"
    house.source.markers[partition] = 1
    house.source.changes = []
    house.source.assign()
    house.store.error = store_down()
    house.steps(60)
    assert house.source.identities[partition] == "the store that was lost"

    house.store.error = None
    house.steps(60)

    assert house.committed() == 1


def test_a_new_tagger_is_used_for_later_batches_and_the_old_one_finishes_its_own():
    house = House(max_wait_ms=100)
    old, new = house.tagger, FakeTagger("b" * 64)
    house.source.append(event("p1", 1), None)
    house.steps(3)
    house.in_use.current = Release(new)
    house.source.append(event("p2", 1), None)
    house.steps(200)

    assert (old.batches, new.batches) == ([1], [1])
    versions = {product: entry.bundle_prefix.hex()[0] for product, entry in house.store.entries.items()}
    assert versions == {"p1": "a", "p2": "b"}


def test_a_stage_thread_runs_calls_in_order_and_returns_what_they_raise():
    thread = StageThread("test")
    order = []

    def die():
        raise SystemExit

    first, second, third = thread.submit(order.append, 1), thread.submit(die), thread.submit(order.append, 2)
    thread.shutdown()

    assert (first.exception(), type(second.exception()), third.exception()) == (None, SystemExit, None)
    assert order == [1, 2]
