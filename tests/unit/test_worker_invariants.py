"""Invariants 1 and 2 of the worker, over parts in memory and a real planner, tracker and loop."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hangtag.records import Partition
from hangtag.store import Arrival
from hangtag.tags.tagset import TagSet
from hangtag.v1 import tags_pb2
from hangtag.write import Update
from tests.unit.worker_parts import EVENTS, House, event, store_down

PARTITION = Partition(EVENTS, 0)


def test_events_become_tags_in_the_store_and_on_kafka():
    house = House()
    house.source.append(event("p1", 1, "shoe"), b"p1")
    house.source.append(event("p2", 1, "dress"), b"p2")

    house.steps()

    assert house.versions() == {"p1": 1, "p2": 1}
    assert house.store.marks == [Arrival("p1", 1, 0, 0), Arrival("p2", 1, 0, 1)]
    assert house.store.seen == {}, "their tags are stored"
    product, payload = house.sink.tags[0]
    assert payload == house.store.entries[product].payload
    assert tags_pb2.ProductTags.FromString(payload).tags[0].value == "shoe"
    assert house.committed() == 2


# Invariant 1: an offset is committed only when every record below it is settled.


@pytest.mark.parametrize("down", ["store", "sink"])
def test_nothing_is_committed_or_dropped_while_a_result_cannot_be_written(down):
    house = House()
    if down == "store":
        house.store.error = store_down()
    else:
        house.sink.is_down = True
    house.source.append(event("p1", 1), b"p1")
    house.steps()
    polls = house.source.polls
    assert house.source.is_paused
    house.steps()

    assert house.source.polls == polls + 60, "polling continues while paused"
    assert (house.committed(), house.sink.tags, house.sink.dead) == (0, [], [])

    house.store.error, house.sink.is_down = None, False
    house.steps(300)

    assert not house.source.is_paused
    assert (house.committed(), [product for product, _ in house.sink.tags]) == (1, ["p1"])


def test_no_offset_is_committed_before_its_dead_letter_is_written():
    house = House()
    house.sink.is_down = True
    house.source.append(b"{", b"p1")
    house.steps()
    assert (house.committed(), house.source.is_paused) == (0, True)

    house.sink.is_down = False
    house.steps(300)

    assert (house.committed(), len(house.sink.dead)) == (1, 1)


def test_an_unsettled_record_holds_back_the_offsets_above_it():
    house = House(held=True)
    house.source.append(event("p1", 1), b"p1")
    house.worker.step()
    house.source.append(b"{", b"p2")
    house.worker.step()
    house.threads.encode.run_next()
    house.threads.encode.run_next()
    house.worker.step()
    house.threads.write.run_next()
    house.steps()

    assert len(house.sink.dead) == 1
    assert house.committed() == 0, "p1 still waits for the engine"

    for _ in range(20):
        house.worker.step()
        for thread in (house.threads.forward, house.threads.write):
            while thread.calls:
                thread.run_next()
    house.steps(300)

    assert house.committed() == 2


def test_after_a_crash_between_store_and_kafka_the_record_is_read_and_produced_again():
    house = House()
    house.sink.is_down = True
    house.source.append(event("p1", 1), b"p1")
    house.steps()
    assert (house.versions(), house.sink.tags) == ({"p1": 1}, [])

    house.sink.is_down = False
    house.restart()
    house.steps()

    assert [product for product, _ in house.sink.tags] == ["p1"]
    assert house.committed() == 1


def test_results_of_an_earlier_assignment_are_not_committed():
    house = House(held=True)
    house.source.append(event("p1", 1), b"p1")
    house.worker.step()
    house.source.revoke()
    house.source.assign()
    house.source.is_paused = True
    house.worker.step()
    for _ in range(20):
        house.worker.step()
        for thread in (house.threads.encode, house.threads.forward, house.threads.write):
            while thread.calls:
                thread.run_next()
    house.worker.drain(5)

    assert house.versions() == {"p1": 1}, "the result is written, which is harmless"
    assert house.committed() == 0, "and the record is read again"


def test_a_refused_commit_is_tried_again():
    house = House()
    house.source.refuses_commits = True
    house.source.append(event("p1", 1), b"p1")
    house.steps()
    assert house.committed() == 0

    house.source.refuses_commits = False
    house.steps()

    assert house.committed() == 1


# Invariant 2: an older version never replaces a newer one.


def test_the_newest_of_a_product_is_tagged_and_the_others_are_superseded():
    house = House()
    for version in (2, 5, 3):
        house.source.append(event("p1", version, f"v{version}"), b"p1")

    house.steps()

    assert house.versions() == {"p1": 5}
    assert house.tagger.batches == [1]
    assert len(house.sink.tags) == 1
    assert house.committed() == 3


def test_what_the_store_refuses_as_older_is_not_produced():
    house = House()
    house.source.append(event("p1", 5), b"p1")
    house.steps()
    house.source.append(event("p1", 4), b"p1")
    house.steps()

    assert house.versions() == {"p1": 5}
    assert len(house.sink.tags) == 1
    assert house.committed() == 2


def test_what_another_worker_stored_while_the_brokers_were_away_is_produced():
    """The first try may have reached the topic, behind the other worker's record."""
    house = House()
    house.sink.is_down = True
    house.source.append(event("p1", 1), b"p1")
    house.source.append(event("p2", 1), b"p2")
    house.steps()
    newer = Update("p1", 2, TagSet((), ()), "b" * 64).entry()
    house.store.write([newer])

    house.sink.is_down = False
    house.steps(1_000)

    assert dict(house.sink.tags)["p1"] == newer.payload
    assert [product for product, _ in house.sink.tags] == ["p1", "p2"]


def test_the_topic_gets_what_the_store_holds_of_a_version_that_came_twice():
    house = House()
    for title in ("red", "blue"):
        house.source.append(event("p1", 5, title), b"p1")
        house.steps()

    assert {payload for _, payload in house.sink.tags} == {house.store.entries["p1"].payload}
    assert len(house.sink.tags) == 2


def test_a_deletion_leaves_a_tombstone_and_blocks_what_is_older():
    house = House()
    house.source.append(event("p1", 1), b"p1")
    house.steps()
    house.source.append(event("p1", 3, kind="DELETED"), b"p1")
    house.source.append(event("p1", 2), b"p1")
    house.steps()

    assert house.store.entries["p1"].is_deletion
    assert house.sink.tags[-1] == ("p1", None)
    assert house.committed() == 3


def test_a_deletion_supersedes_a_waiting_event_of_its_product():
    house = House(held=True, max_wait_ms=10_000)
    for product, version, kind in (("busy", 1, "UPDATED"), ("p1", 1, "UPDATED"), ("p1", 2, "DELETED")):
        house.source.append(event(product, version, kind=kind), product.encode())
        house.worker.step()
        house.threads.encode.run_next()
        house.worker.step()
    assert len(house.threads.forward.calls) == 1, "the engine is busy, and p1 waits for others"

    for _ in range(20):
        for thread in (house.threads.forward, house.threads.write):
            while thread.calls:
                thread.run_next()
        house.worker.step()
    house.steps(300)

    assert house.tagger.batches == [1]
    assert house.store.entries["p1"].is_deletion
    assert house.committed() == 3


# All at once.


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_under_random_failures_nothing_is_lost_and_nothing_older_wins(seed):  # noqa: C901, PLR0912, PLR0915
    dice = random.Random(seed)
    house = House(held=True, window=dice.choice([3, 10, 100]), token_budget=512, max_wait_ms=dice.choice([0, 50]))
    house.source.assign(1)
    newest: dict[str, int] = {}
    bad = 0

    def feed() -> None:
        nonlocal bad
        number = dice.randrange(2)
        if dice.random() < 0.15:
            bad += 1
            house.source.append(b"{", None, number, gap=dice.randrange(3))
            return
        product, version = f"p{number}-{dice.randrange(6)}", dice.randrange(1, 50)
        title = dice.choice(["shoe", "dress", "a long long name"])
        newest[product] = max(version, newest.get(product, 0))
        house.source.append(event(product, version, title), product.encode(), number, gap=dice.randrange(3))

    def check() -> None:
        dead = {(record.partition, record.offset) for record, _ in house.sink.dead}
        for partition, offset in house.source.committed.items():
            for record in house.source.log[partition]:
                if record.offset >= offset:
                    continue
                if record.value == b"{":
                    assert (partition, record.offset) in dead
                else:
                    held = house.versions()[record.key.decode()]
                    assert held >= int(record.value.split(b'"version":')[1].split(b",")[0])

    for _ in range(250):
        action = dice.random()
        if action < 0.3:
            feed()
        elif action < 0.75:
            ready = [one for one in (house.threads.encode, house.threads.forward, house.threads.write) if one.calls]
            if ready:
                dice.choice(ready).run_next()
        elif action < 0.79:
            house.store.error = dice.choice([None, store_down()])
        elif action < 0.83:
            house.sink.is_down = dice.random() < 0.5
        elif action < 0.85:
            house.restart()
        elif action < 0.87:
            number = dice.randrange(2)
            if Partition(EVENTS, number) in house.source.next_offsets:
                house.source.revoke(number)
            house.source.assign(number)
        before = house.versions()
        house.worker.step()
        assert len(house.worker._unsettled) <= house.settings.window
        assert all(house.versions()[product] >= version for product, version in before.items())
        check()

    house.store.error, house.sink.is_down = None, False
    for number in range(2):
        if Partition(EVENTS, number) not in house.source.next_offsets:
            house.source.assign(number)
    for _ in range(2_000):
        for thread in (house.threads.encode, house.threads.forward, house.threads.write):
            while thread.calls:
                thread.run_next()
        house.worker.step()

    check()
    assert house.versions() == newest
    last = {}
    for product, value in house.sink.tags:
        last[product] = tags_pb2.ProductTags.FromString(value).version
    assert last == newest, "the compacted topic agrees with the store"
    for partition, log in house.source.log.items():
        assert house.source.committed[partition] == log[-1].offset + 1


def test_offsets_are_committed_with_the_identity_of_the_store():
    house = House()
    house.source.append(event("p1", 1), b"p1")

    house.steps()

    assert house.source.identities == {PARTITION: house.store.identity}


def test_a_store_that_was_emptied_is_recognised_by_the_next_worker():
    house = House()
    house.source.append(event("p1", 1), b"p1")
    house.steps()
    house.restart()
    house.steps()
    assert not house.store.was_emptied

    house.store.empty()
    house.restart()
    house.steps()

    assert house.store.was_emptied


def test_a_store_that_does_not_answer_at_the_assignment_is_asked_again():
    house = House()
    house.source.append(event("p1", 1), b"p1")
    house.steps()
    house.store.empty()
    house.store.error = store_down()
    house.restart()
    house.steps()

    house.store.error = None
    house.steps(300)

    assert house.store.was_emptied
