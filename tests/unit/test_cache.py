"""What a server keeps of what it read, and what it forgets when it is told of changes."""

import pytest

from hangtag.records import Partition, Record
from hangtag.server.cache import Cache
from hangtag.server.change import Change
from hangtag.server.looked_up import LookedUp
from hangtag.store import Seen, Stored


class Clock:
    """Both clocks show the same time."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s

    def wall_ms(self) -> int:
        return int(self.now_s * 1_000)


def read_at(seconds: float, **versions: int | None) -> tuple[list[str], list[LookedUp]]:
    """Products as they were read; the payload names the version."""
    stored = [Stored(b"" if version is None else b"v%d" % version, version, None) for version in versions.values()]
    return list(versions), LookedUp.each(stored, int(seconds * 1_000), seconds)


def change(product: str, version: int, payload: bytes | None = b"changed") -> Change:
    return Change(product, version, Record(Partition("tagged", 0), 0, 0, product.encode(), payload, ()))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_was_read_is_kept_also_if_it_was_nothing(clock: Clock) -> None:
    cache = Cache(10, clock)
    products, found = read_at(1_000, a=1, b=None)
    cache.keep(products, found)

    assert [cache.get(each) for each in ("a", "b", "c")] == [*found, None]


@pytest.mark.parametrize("entries", [0, 1, 2, 7, 100])
def test_it_never_keeps_more_than_so_many_products(clock: Clock, entries: int) -> None:
    cache = Cache(entries, clock)
    for step in range(50):
        cache.keep(*read_at(1_000 + step, **{f"{step}-{number}": 1 for number in range(1 + step % 20)}))
        assert len(cache) <= max(entries, 2 * (entries > 0))


def test_what_is_read_again_and_again_stays(clock: Clock) -> None:
    cache = Cache(100, clock)
    for step in range(200):
        cache.keep(*read_at(1_000 + step, hot=1, **{f"{step}-{number}": 1 for number in range(20)}))
        assert cache.get("hot") is not None


def test_a_change_puts_what_is_older_behind(clock: Clock) -> None:
    cache = Cache(10, clock)
    cache.keep(*read_at(999, a=1, b=1))
    cache.take([change("a", 2)])

    behind, other = cache.get("a"), cache.get("b")
    assert behind is not None
    assert other is not None
    assert (behind.is_behind, behind.stored) == (True, Stored(b"v1", 1, Seen(2)))
    assert not other.is_behind


@pytest.mark.parametrize("late", [change("a", 2), change("a", 3, b"v3")])
def test_a_record_that_is_not_newer_than_what_is_kept_changes_nothing(clock: Clock, late: Change) -> None:
    cache = Cache(10, clock)
    cache.keep(*read_at(999, a=3))
    before = cache.get("a")
    cache.take([late])

    assert cache.get("a") == before


def test_other_tags_of_the_same_version_are_a_change(clock: Clock) -> None:
    cache = Cache(10, clock)
    cache.keep(*read_at(999, a=3))
    cache.take([change("a", 3, b"of a later bundle")])

    kept = cache.get("a")
    assert kept is not None
    assert kept.is_behind


def test_a_product_that_was_deleted_is_not_kept(clock: Clock) -> None:
    cache = Cache(10, clock)
    cache.keep(*read_at(999, a=3))
    cache.take([change("a", 3, None)])

    assert cache.get("a") is None


def test_a_read_that_began_before_a_change_is_not_kept(clock: Clock) -> None:
    cache = Cache(10, clock)
    cache.take([change("a", 2)])
    cache.keep(*read_at(999, a=1, b=1))

    assert cache.get("a") is None
    assert cache.get("b") is not None


def test_so_is_one_whose_changes_are_forgotten(clock: Clock) -> None:
    """So many changes that not all are remembered: then nothing that was read before them is kept."""
    cache = Cache(10, clock)
    for first in range(0, 50_000, 10_000):
        clock.now_s += 1
        cache.take([change(str(number), 2) for number in range(first, first + 10_000)])
    cache.keep(*read_at(1_001, **{"1": 1, "b": 1}))
    assert (cache.get("1"), cache.get("b")) == (None, None)

    cache.keep(*read_at(1_005.5, b=1))
    assert cache.get("b") is not None


def test_after_a_gap_nothing_that_is_kept_is_ahead(clock: Clock) -> None:
    cache = Cache(10, clock)
    cache.keep(*read_at(999, a=1))
    cache.missed()
    cache.keep(*read_at(999.5, b=1))
    kept = cache.get("a")
    assert kept is not None
    assert kept.is_behind
    assert cache.get("b") is None

    cache.keep(*read_at(1_001, a=1))
    kept = cache.get("a")
    assert kept is not None
    assert not kept.is_behind
