"""The tags of every product, and what they were when a view was made."""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hangtag.index.column import Column
from hangtag.index.ids import NOTHING

MAX_TAGS = 255
# Slots that no product uses any more are given back once they are this part of all.
_MOST_UNUSED = 0.3
_FEW = 100_000
# Products for which room is made at a time.
_ROOM = 1_024


class Row(NamedTuple):
    """Where the tags of a product are, and the version they are of."""

    start: int
    count: int
    version: int


class Journal:
    """What the rows that changed since a moment were at that moment; those of later moments follow in `next`."""

    __slots__ = ("before", "next")

    def __init__(self) -> None:
        self.before: dict[int, Row] = {}
        self.next: Journal | None = None

    def all(self) -> dict[int, Row]:
        """The rows that changed since, each as it was. Any thread may ask."""
        found = self.before.copy()
        journal = self.next
        while journal is not None:
            if journal.before:
                found = {**journal.before.copy(), **found}
            journal = journal.next
        return found


class FrozenRows:
    """The tags of every product at one moment. Any thread may read.

    What a row holds is never overwritten, only where it is; so a reader looks at where the rows are now, and then at
    the journal for those that have moved.
    """

    def __init__(self, rows: "Rows", journal: Journal) -> None:
        self._starts, self._counts = rows.starts.array, rows.counts.array
        self._versions, self._pool = rows.versions.array, rows.pool.array
        self._journal = journal

    def row(self, number: int) -> Row:
        """The row of one product."""
        found = Row(int(self._starts[number]), int(self._counts[number]), int(self._versions[number]))
        return self._journal.all().get(number, found)

    def slots(self, number: int) -> list[int]:
        """The slots of one product, in the order of its tags."""
        row = self.row(number)
        found: list[int] = self._pool[row.start : row.start + row.count].tolist()
        return found

    def gather(self, numbers: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The slots of many products, one behind the other, and how many each has. `numbers` ascend."""
        starts, counts = self._starts[numbers], self._counts[numbers]
        if moved := self._journal.all():
            keys = np.fromiter(moved, np.int64, len(moved))
            at = np.searchsorted(numbers, keys)
            for place, number in zip(at.tolist(), keys.tolist(), strict=True):
                if place < len(numbers) and numbers[place] == number:
                    starts[place], counts[place] = moved[number][:2]
        return _gather(self._pool, starts, counts)


class Rows:
    """Tags (as slots) and ranks of the products, by number. One thread uses it; others use what `freeze` returned.

    A row that is written again is put at the end, so whoever reads meanwhile has the old one.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]] = NOTHING) -> None:
        """`columns` as the attribute of that name had them."""
        self.pool = Column(np.uint32, columns.get("pool"))
        self.starts = Column(np.int64, columns.get("starts"))
        self.counts = Column(np.uint8, columns.get("counts"))
        self.versions = Column(np.int64, columns.get("versions"))
        self.sequences = Column(np.int64, columns.get("sequences"))
        self.revisions = Column(np.int64, columns.get("revisions"))
        self.deleted = Column(np.uint8, columns.get("deleted"))
        self._each = (self.starts, self.counts, self.versions, self.sequences, self.revisions, self.deleted)
        self._count = self._room = self.starts.size
        self._unused = 0
        # None until there is a view: nobody needs to know what was before.
        self._journal: Journal | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """All tags and ranks as arrays."""
        names = ("pool", "starts", "counts", "versions", "sequences", "revisions", "deleted")
        return {name: getattr(self, name).used[: None if name == "pool" else self._count] for name in names}

    def add(self) -> int:
        """Add a product without tags that ranks below everything, and return its number."""
        number = self._count
        if number == self._room:
            for column in self._each:
                column.extend(_ROOM)
            self._room += _ROOM
        self.versions.cells[number] = -1
        self._count += 1
        return number

    def rank(self, number: int) -> tuple[int, bool, int, int]:
        """The rank of what is known of a product: version, whether it is a deletion, sequence, revision."""
        return (
            self.versions.cells[number],
            bool(self.deleted.cells[number]),
            self.sequences.cells[number],
            self.revisions.cells[number],
        )

    def slots(self, number: int) -> list[int]:
        """The slots of a product."""
        start = self.starts.cells[number]
        return self.pool.cells[start : start + self.counts.cells[number]].tolist()

    def write(self, number: int, rank: tuple[int, bool, int, int], slots: Sequence[int]) -> None:
        """Replace what is known of a product. At most `MAX_TAGS` slots."""
        old = Row(self.starts.cells[number], self.counts.cells[number], self.versions.cells[number])
        if self._journal is not None:
            self._journal.before.setdefault(number, old)
        start = self.pool.extend(len(slots))
        self.pool.cells[start : start + len(slots)] = array("I", slots)
        self.starts.cells[number], self.counts.cells[number] = start, len(slots)
        version, is_deletion, self.sequences.cells[number], self.revisions.cells[number] = rank
        self.versions.cells[number], self.deleted.cells[number] = version, is_deletion
        self._unused += old.count

    def numbered_slots(self, first: int, end: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The slots of the products from `first` to before `end`, and for each slot the number of its product."""
        numbers = np.arange(first, min(end, len(self)))
        slots, counts = _gather(self.pool.array, self.starts.array[numbers], self.counts.array[numbers])
        return np.repeat(numbers, counts), slots

    def empty(self) -> FrozenRows:
        """The rows as if there were none; nothing is remembered for it."""
        return FrozenRows(self, Journal())

    def freeze(self) -> FrozenRows:
        """The rows as they are now."""
        before, self._journal = self._journal, Journal()
        if self._unused > _FEW and self._unused > _MOST_UNUSED * self.pool.size:
            # Earlier views keep the arrays that they have; what is written from now on is none of theirs.
            self._pack()
        elif before is not None:
            before.next = self._journal
        return FrozenRows(self, self._journal)

    def _pack(self) -> None:
        packed, counts = _gather(self.pool.array, self.starts.used, self.counts.used)
        self.pool = Column(np.uint32, packed)
        self.starts = Column(np.int64, np.cumsum(counts) - counts)
        self.counts = Column(np.uint8, self.counts.used.copy())
        self.versions = Column(np.int64, self.versions.used.copy())
        self._each = (self.starts, self.counts, self.versions, self.sequences, self.revisions, self.deleted)
        self._unused = 0


def _gather(pool: NDArray[Any], starts: NDArray[Any], counts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    counts = counts.astype(np.int64)
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return pool[np.arange(total) + np.repeat(starts - (ends - counts), counts)], counts
