"""When tags are expected: how many records are in front of an event, and how fast they are settled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.server.eta import Eta
from hangtag.store import BatchProgress, PartitionProgress, Seen, StoreError
from hangtag.store.progress import _pack, _unpack

NOW_MS = 1_700_000_000_000


class Clock:
    """Both clocks; `skew_s` is how far the server's is ahead of the workers'."""

    def __init__(self):
        self.now, self.skew_s = 500.0, 0.0

    def monotonic(self) -> float:
        return self.now

    def wall_ms(self) -> int:
        return NOW_MS + round((self.now - 500 + self.skew_s) * 1_000)


class Workers:
    """What workers have written."""

    def __init__(self, clock: Clock):
        self.clock, self.partitions, self.error = clock, {}, None

    def write(self, number: int, worker: str = "one", *, seconds_ago: float = 0.0, **others) -> None:
        fields = {
            "next_offset": 100, "position": 200, "end": 1_200, "waiting": 100, "in_batches": 0, "per_s": 10.0,
            "batches": (), "worker": worker, **others,
        }  # fmt: skip
        at_ms = NOW_MS + round((self.clock.now - 500 - seconds_ago) * 1_000)
        self.partitions[number] = PartitionProgress(**fields, at_ms=at_ms)

    def read(self):
        if self.error is not None:
            raise self.error
        return dict(self.partitions)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workers(clock) -> Workers:
    return Workers(clock)


@pytest.fixture
def eta(workers, clock) -> Eta:
    return Eta(workers, clock)


def seen(offset: int, partition: int = 0) -> Seen:
    return Seen(5, 0, partition, offset)


def test_behind_what_is_polled_come_as_many_records_of_each_partition_of_the_worker(eta, workers):
    workers.write(0)
    workers.write(1, end=240)
    workers.write(2, position=300)
    workers.write(3, worker="another")
    eta.refresh()

    # Half of the 100 that are polled. Then 50 of this partition, the 40 that partition 1 has, and 50 of partition 2.
    assert eta.of(seen(249)) == 19_000
    assert eta.of(seen(1_199)) == (50 + 1_000 + 40 + 900) * 100


def test_a_record_in_a_batch_comes_with_the_batch_and_others_after_the_last_one(eta, workers):
    batches = (BatchProgress.of(0.5, [100, 103], 100), BatchProgress.of(2.0, [102, 199], 100))
    workers.write(0, batches=batches, in_batches=4, waiting=104)
    eta.refresh()

    assert [eta.of(seen(offset)) for offset in (100, 103, 102, 199)] == [500, 500, 2_000, 2_000]
    # The 100 others take 10 s after the last batch, in any order.
    assert [eta.of(seen(offset)) for offset in (101, 198)] == [7_000, 7_000]


def test_what_passed_since_the_measurement_counts_and_no_estimate_is_below_300_ms(eta, workers, clock):
    workers.write(0, seconds_ago=1.5)
    eta.refresh()
    assert eta.of(seen(249)) == 10_000 - 1_500

    clock.now += 8
    assert eta.of(seen(249)) == 10_000 - 9_500
    workers.write(0, seconds_ago=2.9, batches=(BatchProgress.of(1.0, [150], 100),))
    eta.refresh()
    assert eta.of(seen(150)) == 300


@pytest.mark.parametrize("where", [Seen(5), seen(50), seen(150, partition=7)], ids=["no place", "settled", "no worker"])
def test_without_anything_to_estimate_from_it_is_not_known(eta, workers, where):
    workers.write(0)
    eta.refresh()

    assert eta.of(where) is None


def test_a_worker_that_settles_nothing_gives_no_estimate(eta, workers):
    workers.write(0, per_s=0.0)
    eta.refresh()

    assert eta.of(seen(150)) is None


def test_the_progress_of_a_worker_that_ended_does_not_count(eta, workers, clock):
    workers.write(0)
    eta.refresh()
    for _ in range(9):
        clock.now += 1
        eta.refresh()
    assert eta.of(seen(249)) is not None
    clock.now += 1.1
    eta.refresh()
    assert eta.of(seen(249)) is None

    started_later = Eta(workers, clock)
    started_later.refresh()
    assert started_later.of(seen(249)) is None


@pytest.mark.parametrize("skew_s", [-3_600, -1, 30, 3_600])
def test_clocks_may_differ(eta, workers, clock, skew_s):
    clock.skew_s = skew_s
    workers.write(0)
    eta.refresh()
    assert eta.of(seen(249)) is None, "it may be of a worker that ended long ago"
    clock.now += 1
    workers.write(0)
    eta.refresh()

    assert eta.of(seen(249)) == 10_000 - 750, "the usual delay"


def test_without_the_store_what_is_known_grows_old(eta, workers, clock):
    workers.write(0)
    eta.refresh()
    workers.error = StoreError("away")
    clock.now += 5
    eta.refresh()
    assert eta.of(seen(249)) == 5_000
    clock.now += 6
    eta.refresh()
    assert eta.of(seen(249)) is None

    workers.error = None
    workers.write(0)
    eta.refresh()
    assert eta.of(seen(249)) == 10_000


offsets = st.sets(st.integers(90, 5_000), max_size=300)


@given(st.integers(0, 2**40), offsets, offsets, st.floats(0, 1e6))
def test_progress_is_read_as_it_was_written(base, one, other, per_s):
    batches = tuple(BatchProgress.of(1.5, {base + each for each in some}, base + 100) for some in (one, other))
    progress = PartitionProgress(base + 100, base + 300, base + 900, 7, 3, per_s, batches, "w", NOW_MS)

    assert _unpack(_pack(progress)) == progress
    for batch, some in zip(batches, (one, other), strict=True):
        assert {place + 100 for place in range(5_000) if batch.bits >> place & 1} == {at for at in some if at >= 100}


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"next_offset": 1}', b"\xff", b"12 7.5"])
def test_what_no_worker_wrote_is_left_out(value):
    assert _unpack(value) is None
