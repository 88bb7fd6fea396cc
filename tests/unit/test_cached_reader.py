"""What is read of the store, and what is answered from memory."""

from collections.abc import Sequence

import pytest

from hangtag.server.cache import Cache
from hangtag.server.cached_reader import CachedReader
from hangtag.server.store_gate import StoreGate
from hangtag.settings import ServerSettings
from hangtag.store import Found, PartlyReadError, Stored, StoreError, StoreState


class Store:
    """Has every product in the version `version`; the clocks and what fails are set by the test."""

    address = "a stand-in"

    def __init__(self) -> None:
        self.now_s, self.wall_s = 1_000.0, 2_000.0
        self.behind_s = 0.0  # that of a replica
        self.version = 1
        self.error: StoreError | None = None
        self.reads: list[tuple[list[str], bool]] = []

    def monotonic(self) -> float:
        return self.now_s

    def wall_ms(self) -> int:
        return round(self.wall_s * 1_000)

    def read(self, ids: Sequence[str], primary: bool = True) -> Found:
        self.reads.append((list(ids), primary))
        if self.error:
            raise self.error
        return Found([Stored(b"tags", self.version, None) for _ in ids], round((self.wall_s - self.behind_s) * 1_000))

    def check(self) -> StoreState:
        return StoreState()

    def pass_(self, seconds: float) -> None:
        self.now_s += seconds
        self.wall_s += seconds


@pytest.fixture
def store() -> Store:
    return Store()


def reader(store: Store, ttl_ms: int = 0, stale_s: float = 300) -> CachedReader:
    settings = ServerSettings(cache_ttl_ms=ttl_ms, cache_stale_s=stale_s)
    return CachedReader(StoreGate(store), Cache(100, store), settings, store)


def test_without_a_time_to_live_the_store_is_asked_every_time_and_each_product_once(store: Store) -> None:
    read = reader(store).read
    assert len(read(["a", "b", "a"])) == 3
    read(["a"])

    assert [ids for ids, _ in store.reads] == [["a", "b"], ["a"]]


def test_the_primary_is_asked_only_where_a_version_is_named(store: Store) -> None:
    read = reader(store, ttl_ms=1_000).read
    read(["a"])
    read(["b"], [0])
    read(["a", "c"], [0, 3])

    assert store.reads == [(["a"], False), (["b"], False), (["c"], True)]


def test_the_time_to_live_counts_from_the_time_for_which_an_answer_holds(store: Store) -> None:
    store.behind_s = 0.6
    read = reader(store, ttl_ms=1_000).read
    (first,) = read(["a"])
    store.pass_(0.3)
    assert read(["a"]) == [first]
    store.pass_(0.2)
    (again,) = read(["a"])

    assert again.as_of_ms == first.as_of_ms + 500
    assert len(store.reads) == 2


def test_no_answer_is_from_the_future_after_the_clock_was_set_back(store: Store) -> None:
    read = reader(store, ttl_ms=60_000).read
    read(["a"])
    store.wall_s -= 10
    (found,) = read(["a"])
    assert found.as_of_ms == store.wall_ms()

    store.wall_s -= 10
    store.error = StoreError("away")
    (found,) = read(["a"])
    assert (found.is_degraded, found.as_of_ms) == (True, store.wall_ms())


def test_memory_answers_for_so_long_while_the_store_is_away_and_never_for_a_version(store: Store) -> None:
    read = reader(store, stale_s=10).read
    (before,) = read(["a"])
    store.error = StoreError("away")
    store.pass_(9.9)
    (found,) = read(["a"])
    assert (found.is_degraded, found.stored, found.as_of_ms) == (True, before.stored, before.as_of_ms)
    with pytest.raises(StoreError, match="away"):
        read(["a"], [1])

    store.pass_(0.2)
    with pytest.raises(StoreError, match="away"):
        read(["a"])


def test_what_the_cache_may_answer_anyway_is_not_degraded_while_the_store_is_away(store: Store) -> None:
    read = reader(store, ttl_ms=1_000).read
    (before,) = read(["a"])
    store.error = StoreError("away")

    assert read(["a"]) == [before]


def test_a_node_that_is_away_does_not_close_the_store(store: Store) -> None:
    gate = StoreGate(store)
    store.error = StoreError("away")
    with pytest.raises(StoreError):
        gate.read(["a"])
    store.error = PartlyReadError("a node is away", [None], store.wall_ms())
    gate.check()
    with pytest.raises(PartlyReadError):
        gate.read(["a"])
    store.error = None

    assert len(gate.read(["b"]).stored) == 1
