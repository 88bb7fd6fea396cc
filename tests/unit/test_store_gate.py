"""While the store is away, reads fail at once, and only the watch asks."""

from collections.abc import Callable, Sequence

import pytest

from hangtag.server.store_gate import StoreGate
from hangtag.server.store_watch import STORE_HEARTBEAT, StoreWatch
from hangtag.store import Found, StoreDeniedError, StoreError, StoreMismatchError, StoreState
from hangtag.telemetry import Heartbeats
from hangtag.telemetry.clock import SystemClock


class Store:
    """Fails with `error` while there is one, `check` only with `check_error`; records what is asked."""

    address = "a stand-in"

    def __init__(self) -> None:
        self.error: StoreError | None = None
        self.check_error: StoreError | None = None
        self.reads: list[list[str]] = []
        self.checks = 0
        self.during_read: Callable[[], object] = lambda: None

    def read(self, ids: Sequence[str], primary: bool = True) -> Found:  # noqa: ARG002 (named by `TagReader`)
        self.reads.append(list(ids))
        self.during_read()
        if self.error:
            raise self.error
        return Found([], 0)

    def check(self) -> StoreState:
        self.checks += 1
        if self.check_error:
            raise self.check_error
        return StoreState()


@pytest.fixture
def store() -> Store:
    return Store()


def fails(gate: StoreGate, ids: Sequence[str] = ("x",)) -> StoreError:
    with pytest.raises(StoreError) as caught:
        gate.read(ids)
    return caught.value


def test_after_a_failure_reads_fail_without_asking_until_a_check_succeeds(store: Store) -> None:
    gate, closings = StoreGate(store), []
    gate.on_close = lambda: closings.append(1)
    store.error = StoreDeniedError("no permission")
    fails(gate, ["a"])
    again = fails(gate, ["b"])
    store.error = None
    fails(gate, ["b"])

    assert store.reads == [["a"]]
    assert closings == [1]
    assert (type(again), str(again)) == (StoreDeniedError, "no permission")

    gate.check()
    gate.read(["c"])
    # It was opened by a read of what had failed.
    assert store.reads == [["a"], ["a"], ["c"]]


def test_a_check_that_succeeds_does_not_open_it_while_reads_fail(store: Store) -> None:
    gate = StoreGate(store)
    store.error = StoreError("this command is not allowed")
    fails(gate, ["a"])
    with pytest.raises(StoreError):
        gate.check()
    fails(gate, ["b"])

    assert store.reads == [["a"], ["a"]]


def test_a_check_that_fails_closes_it(store: Store) -> None:
    gate = StoreGate(store)
    store.check_error = StoreError("gone")
    with pytest.raises(StoreError):
        gate.check()
    fails(gate)

    assert store.reads == []


def test_the_late_failure_of_a_read_from_before_the_opening_does_not_close_it(store: Store) -> None:
    gate = StoreGate(store)
    store.error = StoreError("timed out")
    store.during_read = gate.check
    fails(gate, ["slow"])

    store.error, store.during_read = None, lambda: None
    assert gate.read(["a"]) == Found([], 0)


def watch_of(store: Store, reports: list[bool], also: Sequence[object] = ()) -> StoreWatch:
    beats = Heartbeats(SystemClock(), {STORE_HEARTBEAT: 60})
    return StoreWatch(StoreGate(store), reports.append, beats, _raise, also)  # type: ignore[arg-type]


def _raise(error: Exception) -> None:
    raise error


def test_the_watch_asks_often_at_first_and_then_every_second(store: Store) -> None:
    reports: list[bool] = []
    watch = watch_of(store, reports)
    assert watch.look() == 1.0

    store.check_error = StoreError("gone")
    waits = [watch.look() for _ in range(12)]

    assert reports == [True, *[False] * 12]
    assert all(0.75 * 0.05 * 2**step <= wait <= 1.25 * 0.05 * 2**step for step, wait in enumerate(waits[:5]))
    assert all(0.75 <= wait <= 1.25 for wait in waits[5:])
    assert len(set(waits[5:])) > 1  # several servers do not ask together
    assert not watch.part().is_ready

    store.check_error = None
    assert watch.look() == 1.0
    assert watch.part().is_ready


def test_a_store_that_does_not_fit_ends_the_start(store: Store) -> None:
    store.check_error = StoreMismatchError("other buckets")
    with pytest.raises(StoreMismatchError):
        watch_of(store, []).start()


def test_what_else_is_read_of_the_store_is_read_with_each_look(store: Store) -> None:
    read: list[int] = []
    store.error = StoreError("gone")
    reports: list[bool] = []

    def also() -> None:
        read.append(1)
        if len(read) == 2:
            raise store.error

    watch = watch_of(store, reports, [also])
    for _ in range(3):
        watch.look()

    assert reports == [True, False, True]
    assert len(read) == 3


def test_it_looks_at_once_when_a_read_has_failed(store: Store) -> None:
    gate = StoreGate(store)
    watch = StoreWatch(gate, lambda _: None, Heartbeats(SystemClock(), {STORE_HEARTBEAT: 60}), _raise)
    gate.on_close = watch.look_now
    watch.start()
    try:
        assert store.checks == 1
        store.error = StoreError("a connection was reset")
        fails(gate)
        store.error = None
        end = SystemClock().monotonic() + 10
        while True:
            try:
                gate.read(["a"])
            except StoreError:
                assert SystemClock().monotonic() < end
            else:
                break
    finally:
        watch.close()
