"""What workers note of versions that they polled and that they refused, over parts in memory."""

import pytest

from hangtag.records import Replay
from hangtag.store import Seen
from hangtag.workers import Unreadable
from hangtag.write import Reason
from tests.unit.worker_parts import House, event, store_down


def refusing(kind: str) -> tuple[House, str]:
    """A house with a product whose version 5 a stage refuses."""
    house = House()
    title = {"validate": "<b></b>", "encode": "untokenisable", "forward": "poison"}[kind]
    house.source.append(event("p", 5, title), b"p")
    return house, title


@pytest.mark.parametrize("stage", ["validate", "encode", "forward"])
def test_a_version_that_becomes_a_dead_letter_is_labelled(stage):
    house, _ = refusing(stage)
    house.source.append(event("good", 1), b"good")
    house.steps()

    assert [reason.stage for _, reason in house.sink.dead] == [stage]
    assert house.store.seen == {"p": Seen(5, 5, 0, 0)}
    assert house.committed() == 2


def test_the_label_is_there_before_the_record_is_settled():
    house, _ = refusing("validate")
    told = []
    mark = house.store.mark_refused
    house.store.mark_refused = lambda arrivals: told.append((house.committed(), len(house.sink.dead))) or mark(arrivals)
    house.steps()

    assert (told, house.committed()) == ([(0, 1)], 1)


def test_while_the_label_cannot_be_written_nothing_is_settled_and_one_letter_is_sent():
    house, _ = refusing("validate")
    house.store.error = store_down()
    house.steps()
    assert (house.committed(), house.source.is_paused) == (0, True)

    house.store.error = None
    house.steps(300)

    assert (house.committed(), len(house.sink.dead)) == (1, 1)
    assert house.store.seen["p"].refused == 5


def test_a_refusal_that_is_repeated_after_a_newer_version_is_stored_leaves_no_label():
    house, title = refusing("forward")
    house.source.append(event("p", 6), b"p")
    house.steps()
    house.source.append(event("p", 5, title), b"p")
    house.steps()

    assert len(house.sink.dead) >= 1
    assert (house.versions(), house.store.seen) == ({"p": 6}, {})


def test_a_letter_that_is_replayed_and_tagged_leaves_no_label():
    house, _ = refusing("encode")
    house.steps()
    assert house.store.seen["p"].refused == 5
    replay = Replay("me", 1_700_000_000_500, "products.deadletter-0@0", 1_700_000_000_000, 1)
    house.source.append(event("p", 5, "shoe"), b"p", headers=replay.headers())
    house.steps()

    assert (house.versions(), house.store.seen) == ({"p": 5}, {})


@pytest.mark.parametrize("value", [b"{not json", b'{"product": {"version": 3}}', None])
def test_a_record_that_does_not_say_its_product_or_version_leaves_no_mark(value):
    house = House()
    house.source.append(value, b"p")
    house.steps()

    assert (len(house.sink.dead), house.store.seen, house.committed()) == (1, {}, 1)


def test_bytes_that_cannot_be_read_as_records_leave_no_mark():
    house = House()
    record = house.source.append(event("p", 5), b"p")
    house.source.unreadable[record] = Unreadable(record, Reason("read", "UnreadableBatch", "its checksum is wrong"))
    house.steps()

    assert (len(house.sink.dead), house.store.seen, house.committed()) == (1, {}, 1)
