"""Look-ups that wait for a version: when they wake, and with how many reads."""

from collections.abc import Callable, Sequence

import pytest

from hangtag.records import Partition, Record
from hangtag.server.cached_reader import PartlyFoundError
from hangtag.server.change import Change
from hangtag.server.look_up import NO_DEADLINE, LookUp
from hangtag.server.looked_up import LookedUp
from hangtag.server.waits import Found, Waits
from hangtag.store import Seen, Stored, StoreError

LIMIT_S = 30.0


class Story:
    """Waits without their thread, over a store that is a dictionary; `ended` has what each call was told."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.stored: dict[str, Stored] = {}
        self.reads: list[list[str]] = []
        self.error: StoreError | None = None
        self.ended: dict[str, Found] = {}
        self.during_read: Callable[[], None] = lambda: None
        self.waits = Waits(self.read, self.done, self, LIMIT_S, self.fail)
        self.waits.turn()

    def monotonic(self) -> float:
        return self.now_s

    def wall_ms(self) -> int:
        return int(self.now_s * 1_000)

    def read(self, products: Sequence[str], versions: Sequence[int]) -> list[LookedUp]:
        assert all(versions)
        self.reads.append(list(products))
        found = [self.stored.get(product, Stored(b"", None, None)) for product in products]
        self.during_read()
        if self.error:
            raise self.error
        return LookedUp.each(found, self.wall_ms(), self.now_s)

    def done(self, look_ups: Sequence[LookUp], found: Sequence[Found]) -> None:
        for look_up, each in zip(look_ups, found, strict=True):
            assert look_up.call not in self.ended
            self.ended[look_up.call] = each

    def fail(self, error: Exception) -> None:
        raise error

    def wait(self, name: str, version: int, deadline_s: float = NO_DEADLINE, product: str = "p") -> LookUp:
        look_up = LookUp("GetProductTags", (product,), (product.encode(),), (version,), is_single=True)
        look_up.wait_version, look_up.call, look_up.deadline_s = version, name, deadline_s
        self.waits.add(look_up)
        return look_up

    def tagged(self, version: int, product: str = "p") -> None:
        """The tags of a version are stored, and then told."""
        self.stored[product] = Stored(b"v%d" % version, version, None)
        self.tell(version, product)

    def tell(self, version: int, product: str = "p") -> None:
        record = Record(Partition("tagged", 0), 0, 0, product.encode(), b"v", ())
        self.waits.take([Change(product, version, record)])

    def turn(self, after_s: float = 0.0) -> None:
        self.now_s += after_s
        self.waits.turn()

    def version(self, name: str) -> int | None:
        found = self.ended[name]
        assert isinstance(found, LookedUp)
        return found.stored.version


@pytest.fixture
def story() -> Story:
    return Story()


def test_what_is_stored_already_is_returned_at_once(story: Story) -> None:
    story.tagged(3)
    story.wait("same", 3)
    story.wait("older", 2)
    story.turn()

    assert (story.version("same"), story.version("older")) == (3, 3)
    assert story.reads == [["p", "p"]]
    assert len(story.waits) == 0


def test_all_that_wait_for_a_product_wake_with_one_read_and_others_are_left_alone(story: Story) -> None:
    for name, version in (("a", 2), ("b", 3), ("c", 9)):
        story.wait(name, version)
    story.wait("other", 2, product="q")
    story.turn()
    story.reads.clear()
    story.turn(0.1)
    assert story.reads == []

    story.tagged(3)
    story.turn()

    assert story.ended.keys() == {"a", "b"}
    assert story.reads == [["p", "p"]]


def test_a_record_of_an_older_version_wakes_nobody(story: Story) -> None:
    story.wait("a", 3)
    story.turn()
    story.reads.clear()
    story.tell(2)
    story.turn(0.1)

    assert story.reads == []


def test_a_record_that_comes_while_the_product_is_read_is_not_overlooked(story: Story) -> None:
    story.wait("a", 3)
    # The read has missed what is stored now.
    story.during_read = lambda: story.tagged(3)
    story.turn()
    story.during_read = lambda: None
    assert story.ended == {}

    story.turn()
    assert story.version("a") == 3


def test_a_version_that_is_refused_ends_the_wait(story: Story) -> None:
    story.wait("a", 3)
    story.turn()
    story.stored["p"] = Stored(b"v1", 1, Seen(3, refused=3))
    story.turn(0.6)

    assert story.version("a") == 1


def test_a_newer_version_that_waits_for_its_tags_keeps_the_call_waiting(story: Story) -> None:
    story.stored["p"] = Stored(b"v1", 1, Seen(4, refused=3))
    story.wait("a", 3)
    story.turn()

    assert story.ended == {}


def test_without_records_all_that_wait_are_looked_up_together_now_and_then(story: Story) -> None:
    for number in range(1_200):
        story.wait(f"{number}", 2, product=f"p{number}")
    story.turn()
    story.reads.clear()
    story.stored["p7"] = Stored(b"v2", 2, None)
    story.turn(0.6)

    assert [len(each) for each in story.reads] == [500, 500, 200]
    assert story.ended.keys() == {"7"}


def test_after_a_gap_all_are_looked_up(story: Story) -> None:
    story.wait("a", 2)
    story.turn()
    story.stored["p"] = Stored(b"v2", 2, None)
    story.waits.missed()
    story.turn()

    assert story.version("a") == 2


@pytest.mark.parametrize(("left_s", "most_s"), [(0.1, 0.1), (2.0, 2.0), (None, LIMIT_S), (300.0, LIMIT_S)])
def test_shortly_before_the_end_it_returns_what_there_is(story: Story, left_s: float | None, most_s: float) -> None:
    story.tagged(1)
    story.wait("a", 2, NO_DEADLINE if left_s is None else story.now_s + left_s)
    story.turn()
    story.turn(most_s * 0.8)
    assert story.ended == {}

    story.turn(most_s * 0.2)
    assert story.version("a") == 1


def test_it_leaves_time_for_the_reply(story: Story) -> None:
    deadline_s = story.now_s + 10
    story.wait("a", 2, deadline_s)
    story.turn(9.96)

    assert story.now_s < deadline_s
    assert "a" in story.ended


def test_a_cancelled_call_is_forgotten(story: Story) -> None:
    look_up = story.wait("a", 2)
    story.wait("b", 2)
    story.turn()
    look_up.is_cancelled = True
    story.turn(0.6)

    assert story.ended == {"a": None}
    assert len(story.waits) == 1


def test_what_only_cancelled_calls_wait_for_is_not_read(story: Story) -> None:
    story.wait("a", 2).is_cancelled = True
    story.turn()

    assert story.ended == {"a": None}
    assert story.reads == []


def test_while_the_store_is_away_calls_wait_on_and_then_fail(story: Story) -> None:
    story.wait("short", 2, story.now_s + 1)
    story.wait("long", 2)
    story.error = StoreError("away")
    story.turn()
    story.turn(0.6)
    assert story.ended == {}

    story.turn(0.4)
    assert story.ended == {"short": story.error}

    story.error = None
    story.tagged(2)
    story.turn()
    assert story.version("long") == 2


def test_a_part_of_the_store_that_is_away_keeps_its_calls_waiting_only(story: Story) -> None:
    story.wait("a", 2, product="p")
    story.wait("b", 2, product="q")
    found = LookedUp(Stored(b"v2", 2, None), story.wall_ms())
    story.error = PartlyFoundError(StoreError("a node is away"), [None, found])
    story.turn()

    assert story.ended == {"b": found}


def test_a_server_that_stops_answers_with_what_there_is_after_its_time(story: Story) -> None:
    story.tagged(1)
    story.wait("before", 2)
    story.turn()
    story.waits.drain(2)
    story.wait("after", 2)
    story.turn(1.9)
    assert story.ended == {}

    story.turn(0.1)
    assert (story.version("before"), story.version("after")) == (1, 1)
