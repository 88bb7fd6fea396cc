"""The settle tracker against a naive model: an offset is committable when every record below it is settled."""

from hypothesis import given
from hypothesis import strategies as st

from hangtag.records import Partition
from hangtag.workers import Ticket, Tracker

A, B = Partition("events", 0), Partition("events", 1)


class Naive:
    """Keeps every record of each partition's current assignment and whether it is settled."""

    def __init__(self):
        self.lives: dict[Partition, tuple[int, list[list]]] = {}

    def committable(self, partition: Partition) -> int | None:
        _, records = self.lives[partition]
        if not records:
            return None
        unsettled = [offset for offset, done in records if not done]
        return min(unsettled) if unsettled else max(offset for offset, _ in records) + 1


operations = st.lists(
    st.one_of(
        st.tuples(st.just("assign"), st.sampled_from([A, B])),
        st.tuples(st.just("revoke"), st.sampled_from([A, B])),
        st.tuples(st.just("add"), st.sampled_from([A, B]), st.integers(1, 4)),
        st.tuples(st.just("settle"), st.integers(0, 200)),
        st.tuples(st.just("commit")),
    ),
    max_size=120,
)


@given(operations)
def test_committable_offsets_equal_those_of_a_naive_model(steps):
    tracker, naive, tickets, committed = Tracker(), Naive(), [], {}
    for life, step in enumerate(steps):
        match step:
            case ("assign", partition):
                tracker.assign(partition)
                naive.lives[partition] = (life, [])
                committed.pop(partition, None)
            case ("revoke", partition):
                tracker.revoke(partition)
                naive.lives.pop(partition, None)
            case ("add", partition, gap) if partition in naive.lives:
                epoch, records = naive.lives[partition]
                offset = (records[-1][0] if records else 10) + gap
                record = [offset, False]
                records.append(record)
                committed.setdefault(partition, offset)
                tickets.append((tracker.add(partition, offset), partition, epoch, record))
            case ("settle", which) if tickets:
                ticket, partition, epoch, record = tickets[which % len(tickets)]
                is_current = partition in naive.lives and naive.lives[partition][0] == epoch
                if not record[1]:
                    assert tracker.settle(ticket) is is_current
                    record[1] = True
            case ("commit",):
                found = tracker.committable()
                committed.update(found)
                tracker.committed(found)
        expected = {p: naive.committable(p) for p in naive.lives}
        moved = {p: offset for p, offset in expected.items() if offset is not None and offset > committed[p]}
        assert tracker.committable() == moved


def test_offsets_may_have_gaps():
    tracker = Tracker()
    tracker.assign(A)
    first, second = tracker.add(A, 5), tracker.add(A, 9)
    tracker.settle(second)
    assert tracker.committable() == {}

    tracker.settle(first)

    assert tracker.committable() == {A: 10}


def test_a_result_of_an_earlier_assignment_commits_nothing():
    tracker = Tracker()
    tracker.assign(A)
    stale = tracker.add(A, 5)
    tracker.revoke(A)
    tracker.assign(A)
    tracker.add(A, 5)

    assert tracker.settle(stale) is False
    assert tracker.committable() == {}


def test_an_offset_that_falls_back_starts_a_new_assignment():
    tracker = Tracker()
    tracker.assign(A)
    stale = tracker.add(A, 50)

    again = tracker.add(A, 7)

    assert tracker.settle(stale) is False
    assert tracker.settle(again) is True
    assert tracker.committable() == {A: 8}


def test_settling_an_unknown_partition_does_nothing():
    assert Tracker().settle(Ticket(A, 1, 1)) is False


def test_the_position_is_committed_where_nothing_is_unsettled():
    """Offsets of transaction markers and aborted records are never polled."""
    tracker = Tracker()
    tracker.assign(A, committed=4)
    tracker.assign(B)
    first = tracker.add(A, 5)
    assert tracker.committable({A: 8, B: 3}) == {A: 5, B: 3}

    tracker.settle(first)

    assert tracker.committable({A: 8, B: 3}) == {A: 8, B: 3}
    tracker.committed({A: 8, B: 3})
    assert tracker.committable({A: 8, B: 3}) == {}
    second = tracker.add(A, 9)
    assert tracker.committable({A: 12}) == {A: 9}
    tracker.settle(second)
    assert tracker.committable({A: 12}) == {A: 12}


def test_the_position_of_a_partition_that_is_committed_there_is_not_committed_again():
    tracker = Tracker()
    tracker.assign(A, committed=7)
    tracker.assign(B)

    assert tracker.committable({A: 7, B: 0}) == {}
    assert tracker.committable({A: 8}) == {A: 8}, "a marker behind the committed offset"
