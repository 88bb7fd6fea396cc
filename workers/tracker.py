"""Which offsets may be committed: those below which everything is settled."""

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from hangtag.records import Partition


class Ticket(NamedTuple):
    """One polled record: its place, and in which assignment of its partition it was read."""

    partition: Partition
    epoch: int
    offset: int


class _Assignment:
    """One assignment of one partition. `open` are its offsets in order; the first is not settled."""

    __slots__ = ("committed", "epoch", "next_offset", "open", "settled")

    def __init__(self, epoch: int, committed: int) -> None:
        self.epoch = epoch
        self.open: deque[int] = deque()
        self.settled: set[int] = set()
        self.next_offset = -1
        self.committed = committed

    def committable(self, position: int) -> int:
        return self.open[0] if self.open else max(self.next_offset, position)


class Tracker:
    """Settled offsets of the assigned partitions. One thread owns it.

    Each assignment of a partition is tracked apart: what was polled in an earlier one can still be finished, but never
    moves the offset of a later one, because the later one reads those records again.
    """

    def __init__(self) -> None:
        self._assignments: dict[Partition, _Assignment] = {}
        self._epoch = 0

    def assign(self, partition: Partition, committed: int = -1) -> None:
        """The partition is assigned from now on; an earlier assignment of it is over.

        `committed` is its committed offset, -1 if it is not known.
        """
        self._epoch += 1
        self._assignments[partition] = _Assignment(self._epoch, committed)

    def revoke(self, partition: Partition) -> None:
        """The partition is no longer assigned."""
        self._assignments.pop(partition, None)

    def add(self, partition: Partition, offset: int) -> Ticket:
        """Count a polled record. Offsets rise, with gaps; one that falls back starts a new assignment."""
        assignment = self._assignments.get(partition)
        if assignment is None or offset < assignment.next_offset:
            self.assign(partition)
            assignment = self._assignments[partition]
        assignment.open.append(offset)
        assignment.next_offset = offset + 1
        if assignment.committed < 0:
            assignment.committed = offset
        return Ticket(partition, assignment.epoch, offset)

    def settle(self, ticket: Ticket) -> bool:
        """Count a record as settled. False if its assignment is over."""
        assignment = self._assignments.get(ticket.partition)
        if assignment is None or assignment.epoch != ticket.epoch:
            return False
        assignment.settled.add(ticket.offset)
        while assignment.open and assignment.open[0] in assignment.settled:
            assignment.settled.discard(assignment.open.popleft())
        return True

    def committable(self, positions: Mapping[Partition, int] = MappingProxyType({})) -> dict[Partition, int]:
        """The offset to commit (the next one to read) of every partition where it moved since `committed`.

        `positions` are the next offsets to be polled. Where nothing is unsettled they count, since a partition may end
        with offsets that are never polled.
        """
        return {
            partition: offset
            for partition, offset in self._settled_up_to(positions).items()
            if offset > max(self._assignments[partition].committed, 0)
        }

    def next_to_settle(self, positions: Mapping[Partition, int]) -> dict[Partition, int]:
        """The lowest offset of each partition that is not settled, where it is known.

        `positions` are the next offsets to be polled.
        """
        starts = {
            partition: max(offset, self._assignments[partition].committed)
            for partition, offset in self._settled_up_to(positions).items()
        }
        return {partition: start for partition, start in starts.items() if start >= 0}

    def left(self, positions: Mapping[Partition, int], ends: Mapping[Partition, int]) -> dict[Partition, int]:
        """How many offsets of each partition are unsettled, polled or not, where `ends` or a polled record tell."""
        found = {}
        for partition, start in self.next_to_settle(positions).items():
            end = max(ends.get(partition, -1), self._assignments[partition].next_offset)
            if end >= 0:
                found[partition] = max(0, end - start)
        return found

    def _settled_up_to(self, positions: Mapping[Partition, int]) -> dict[Partition, int]:
        return {
            partition: assignment.committable(positions.get(partition, -1))
            for partition, assignment in self._assignments.items()
        }

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """These offsets, as `committable` returned them, are committed."""
        for partition, offset in offsets.items():
            assignment = self._assignments.get(partition)
            if assignment is not None:
                assignment.committed = offset
