"""Invariants 3 and 6 of the worker, over parts in memory: what a bad record or a failed stage affects."""

import pytest

from hangtag.records import decode_event
from hangtag.store import StoreMismatchError
from hangtag.workers import SourceError, StageError
from tests.unit.worker_parts import FakeTagger, House, event

# Invariant 3: one bad record never fails its neighbours.


def test_the_bad_text_of_a_failing_batch_is_found_and_the_others_are_tagged():
    house = House()
    for number in range(20):
        house.source.append(event(f"p{number}", 1, "poison" if number == 7 else "shoe"), f"p{number}".encode())

    house.steps()

    assert set(house.versions()) == {f"p{number}" for number in range(20)} - {"p7"}
    [(record, reason)] = house.sink.dead
    assert (record.offset, reason.stage, reason.error) == (7, "forward", "RuntimeError")
    assert reason.attempts > 1
    assert house.committed() == 20


def test_a_text_that_cannot_be_tokenised_becomes_a_dead_letter_alone():
    house = House()
    for number, title in enumerate(["shoe", "untokenisable", "dress"]):
        house.source.append(event(f"p{number}", 1, title), f"p{number}".encode())

    house.steps()

    assert set(house.versions()) == {"p0", "p2"}
    assert [(record.offset, reason.stage) for record, reason in house.sink.dead] == [(1, "encode")]
    assert house.committed() == 3


def test_a_record_on_which_decoding_fails_becomes_a_dead_letter_alone(monkeypatch):
    real = decode_event

    def decode(value, *others):
        if b"p1" in value:
            raise OverflowError
        return real(value, *others)

    monkeypatch.setattr("hangtag.workers.decode.decode_event", decode)
    house = House()
    for number in range(3):
        house.source.append(event(f"p{number}", 1), f"p{number}".encode())

    house.steps()

    assert set(house.versions()) == {"p0", "p2"}
    assert [(record.offset, reason.error) for record, reason in house.sink.dead] == [(1, "OverflowError")]
    assert house.committed() == 3


@pytest.mark.parametrize("title", ["poison", "untokenisable"])
def test_the_event_that_a_bad_record_superseded_is_tagged_instead(title):
    house = House()
    for version in (1, 2):
        house.source.append(event("p1", version), b"p1")
    house.source.append(event("p1", 3, title), b"p1")

    house.steps()

    assert house.versions() == {"p1": 2}
    assert [record.offset for record, _ in house.sink.dead] == [2]
    assert house.committed() == 3


def test_a_batch_too_large_for_memory_is_halved_and_later_ones_are_smaller():
    house = House(FakeTagger(room=8), token_budget=2_048)
    for number in range(64):
        house.source.append(event(f"p{number}", 1), f"p{number}".encode())

    house.steps()

    assert len(house.versions()) == 64
    assert house.sink.dead == []
    assert house.worker._budget.tokens < 2_048


def test_an_engine_that_fails_for_every_text_ends_the_worker_without_dead_letters():
    house = House()
    house.tagger.is_down = True
    for number in range(8):
        house.source.append(event(f"p{number}", 1), f"p{number}".encode())

    with pytest.raises(StageError, match="forward"):
        house.steps()

    assert (house.sink.dead, house.committed()) == ([], 0)
    assert len(house.tagger.batches) == 2, "the batch and the probe"


def test_too_little_memory_for_one_text_ends_the_worker():
    house = House(FakeTagger(room=0))
    house.source.append(event("p1", 1), b"p1")

    with pytest.raises(StageError, match="OutOfMemory"):
        house.steps()

    assert (house.sink.dead, house.committed()) == ([], 0)


# Invariant 6: a stage that fails ends the process; health is an age.


@pytest.mark.parametrize("stage", ["encode", "forward", "write"])
def test_a_stage_that_fails_ends_the_worker(stage, monkeypatch):
    house = House()
    cause = SystemExit("gone")

    def die(*_args):
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


def test_a_worker_without_work_is_healthy():
    house = House()
    house.steps(2_000)

    assert all(pulse.is_healthy for pulse in house.beats.pulses())
