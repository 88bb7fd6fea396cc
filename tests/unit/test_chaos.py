"""The parts of `make chaos` that decide what is right: they must find what is wrong."""

import itertools
import time
from types import SimpleNamespace

import pytest

from hangtag.store import Entry
from tests.chaos.diary import Diary
from tests.chaos.errors import ChaosError
from tests.chaos.lanes import Lane
from tests.chaos.load import Planned, make_load
from tests.chaos.look_ups import LookUps
from tests.chaos.outcome import Outcome, compare_letters, compare_products, newest_of

HASH, OTHER = b"h" * 16, b"o" * 16


def sent(product_id: str, version: int, *, deleted: bool = False, garbage: str = "") -> Planned:
    return Planned(b"key", b"value", b"", product_id, version, deleted, b"" if deleted else HASH, garbage)


def stored(product_id: str, version: int, text_hash: bytes = HASH) -> Entry:
    return Entry(product_id, version, b"tags", text_hash=text_hash)


def compared(newest: list[Planned], store: list[Entry], topic: list[Entry]) -> Outcome:
    outcome = Outcome()
    by_id = [{each.product_id: each for each in some} for some in (store, topic)]
    compare_products(outcome, newest_of(newest), *by_id)
    return outcome


def test_a_load_depends_on_its_seed_alone():
    load = make_load(3_000, 5, transactions=True)

    assert load == make_load(3_000, 5, transactions=True)
    assert load != make_load(3_000, 6, transactions=True)


def test_a_load_has_everything_that_the_run_promises():
    load = make_load(20_000, 5, transactions=True)
    batches = load.batches
    positions = {}
    is_out_of_order = False
    for record in load.records:
        is_out_of_order |= record.version < positions.get(record.product_id, 0)
        positions[record.product_id] = record.version

    assert [number for batch in batches for number in batch.numbers] == list(range(20_000))
    assert is_out_of_order
    assert {batch.codec for batch in batches} == {None, "gzip", "snappy", "lz4", "zstd"}
    assert {batch.is_committed for batch in batches} == {None, True, False}
    assert {record.garbage for record in load.records if record.garbage} == {
        *("not json", "no text", "another key", "unknown type", "not protobuf", "too large", "no value")
    }
    assert 0.015 < sum(record.is_deletion for record in load.records) / 20_000 < 0.025
    assert 0.007 < sum(bool(record.garbage) for record in load.records) / 20_000 < 0.013
    assert max(record.version for record in load.records) > 2**53


def test_what_agrees_is_right():
    deletion = Entry.deletion("b", 7)

    outcome = compared(
        [sent("a", 1), sent("a", 2), sent("b", 7, deleted=True), sent("b", 7)],
        [stored("a", 2), deletion],
        [stored("a", 2), deletion],
    )

    assert outcome.is_right
    assert (outcome.tagged, outcome.deleted) == (1, 1)


@pytest.mark.parametrize(
    ("store", "topic", "found"),
    [
        ([], [], "lost"),
        ([stored("a", 1)], [stored("a", 1)], "older"),
        ([stored("a", 3)], [stored("a", 3)], "never_sent"),
        ([stored("a", 2, OTHER)], [stored("a", 2, OTHER)], "never_sent"),
        ([stored("a", 2), stored("x", 1)], [stored("a", 2)], "never_sent"),
        ([stored("a", 2)], [stored("a", 2), stored("x", 1)], "never_sent"),
        ([stored("a", 2)], [stored("a", 1)], "topic_disagrees"),
        ([stored("a", 2)], [], "topic_disagrees"),
        ([Entry.deletion("a", 2)], [Entry.deletion("a", 2)], "never_sent"),
    ],
)
def test_each_disagreement_is_found(store: list[Entry], topic: list[Entry], found: str):
    outcome = compared([sent("a", 1), sent("a", 2)], store, topic)

    assert getattr(outcome, found)
    assert not outcome.is_right


def test_dead_letters_are_counted_by_their_records():
    outcome = Outcome()

    compare_letters(outcome, garbage={1, 2, 3}, letters=[1, 1, 2, 9])

    assert (outcome.deadlettered, outcome.deadlettered_again) == (2, 1)
    assert outcome.lost == ["no dead letter of record 3"]
    assert outcome.wrongly_refused == ["dead letter of record 9"]


def answer(product_id: str, version: int) -> SimpleNamespace:
    return SimpleNamespace(product_id=product_id, version=version)


def test_a_version_that_goes_backwards_is_noticed():
    look_ups = LookUps(0, ["a", "b"], {"b": 3}, Diary())

    look_ups.compare([answer("a", 2), answer("b", 3)])
    look_ups.compare([answer("a", 2), answer("b", 0)])  # deleted
    assert look_ups.backwards == []
    look_ups.compare([answer("a", 1)])
    look_ups.compare([answer("a", 0)])  # it was never deleted
    look_ups.compare([answer("b", 4)])
    look_ups.compare([answer("b", 0)])  # the deletion is older

    assert [line.split(" at ")[0] for line in look_ups.backwards] == [
        "a: version 1 after 2",
        "a: version 0 after 2",
        "b: version 0 after 4",
    ]


def test_a_reader_may_see_something_older_only_between_a_loss_and_the_end_of_its_rebuild():
    diary = Diary()
    before = time.monotonic()
    with diary.loss():
        during = time.monotonic()
        assert diary.may_have_lost(during, during)
        assert diary.may_have_lost(before, during)
    after = time.monotonic()

    assert not diary.may_have_lost(before - 1, before - 0.5)
    assert diary.may_have_lost(during, after + 1)
    assert not diary.may_have_lost(after + 0.1, after + 1)


def test_a_lane_waits_for_conditions_and_takes_its_steps_in_order():
    done: list[str] = []
    answers = itertools.chain([False], itertools.repeat(True))

    def steps():
        done.append("first")
        yield lambda: next(answers)
        done.append("second")
        yield 0.0
        done.append("third")

    lane = Lane("test", steps(), look_every_s=0)
    seen = []
    while not lane.is_done:
        lane.go_on()
        seen.append(list(done))

    assert seen == [["first"], ["first"], ["first", "second"], ["first", "second", "third"]]


def test_a_condition_that_never_comes_true_ends_the_run():
    lane = Lane("test", iter([lambda: False]), look_every_s=0, limit_s=-1)
    lane.go_on()

    with pytest.raises(ChaosError, match="lane test"):
        lane.go_on()
