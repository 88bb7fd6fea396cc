"""Which offsets may be committed: everything below them is settled."""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from hangtag.records import Partition


class Ticket(NamedTuple):
    """One polled record: where it stands and in which life of its partition it was read."""

    partition: Partition
    epoch: int
    offset: int


class _Life:
    """One assignment of one partition: `open` are its offsets in order, those at the front are not settled."""

    __slots__ = ("committed", "epoch", "next_offset", "open", "settled")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.open: deque[int] = deque()
        self.settled: set[int] = set()
        self.next_offset = -1
        self.committed = -1

    @property
    def committable(self) -> int:
        return self.open[0] if self.open else self.next_offset


class Tracker:
    """Settled offsets of the assigned partitions. One thread owns it.

    Each assignment of a partition is a life of its own: what was polled in an earlier one can still be finished, but
    never moves the offset of a later one, because the later one reads those records again.
    """

    def __init__(self) -> None:
        self._lives: dict[Partition, _Life] = {}
        self._epoch = 0

    def assign(self, partition: Partition) -> None:
        """The partition is ours from here on; a life that it had before is over."""
        self._epoch += 1
        self._lives[partition] = _Life(self._epoch)

    def revoke(self, partition: Partition) -> None:
        """The partition is no longer ours."""
        self._lives.pop(partition, None)

    def add(self, partition: Partition, offset: int) -> Ticket:
        """A record was polled. Offsets rise within a life but may have gaps; one that falls back begins a new life."""
        life = self._lives.get(partition)
        if life is None or offset < life.next_offset:
            self.assign(partition)
            life = self._lives[partition]
        life.open.append(offset)
        life.next_offset = offset + 1
        if life.committed < 0:
            life.committed = offset
        return Ticket(partition, life.epoch, offset)

    def settle(self, ticket: Ticket) -> bool:
        """The record is stored, refused as older or dead-lettered. False if its partition has left us since."""
        life = self._lives.get(ticket.partition)
        if life is None or life.epoch != ticket.epoch:
            return False
        life.settled.add(ticket.offset)
        while life.open and life.open[0] in life.settled:
            life.settled.discard(life.open.popleft())
        return True

    def committable(self) -> dict[Partition, int]:
        """The offset to commit (the next one to read) of every partition where it moved since `committed`."""
        return {
            partition: life.committable
            for partition, life in self._lives.items()
            if life.committed >= 0 and life.committable > life.committed
        }

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """These offsets, as `committable` told them, are committed."""
        for partition, offset in offsets.items():
            life = self._lives.get(partition)
            if life is not None:
                life.committed = offset
