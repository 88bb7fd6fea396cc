"""The tags of every product, and what they were when a view was made."""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hangtag.index.column import Column, narrowed
from hangtag.index.ids import NOTHING
from hangtag.index.slots import MORE

MAX_TAGS = 255
# Slots of a product in the table. Where that is too few for more than this part of the products, it gets wider.
_WIDTH = 8
_WIDER = 4
_MOST_LONGER = 0.01
# Products for which room is made at a time.
_ROOM = 1_024


class Row(NamedTuple):
    """The slots of a product, in the order of its tags, and the version that they are of."""

    slots: Sequence[int]
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

    The writer notes what a row was before it changes it; so a reader looks at the row first, and then at the journal.
    """

    def __init__(self, rows: "Rows", journal: Journal) -> None:
        self._table, self._versions, self._more = rows.table, rows.versions.array, rows.more
        self._journal = journal

    def row(self, number: int) -> Row:
        """The row of one product."""
        return self.rows([number])[0]

    def rows(self, numbers: Sequence[int]) -> list[Row]:
        """The rows of some products."""
        found = [
            Row(_slots_of(self._table[number].tolist(), number, self._more), int(self._versions[number]))
            for number in numbers
        ]
        moved = self._journal.all()
        return [moved.get(number, row) for number, row in zip(numbers, found, strict=True)] if moved else found

    def changed(self, numbers: NDArray[Any]) -> list[int]:
        """The places, in these ascending numbers, of products that have changed since."""
        moved = self._journal.all()
        if not moved:
            return []
        found = np.fromiter(moved, np.int64, len(moved))
        places = np.searchsorted(numbers, found)
        is_there = places < len(numbers)
        places, found = places[is_there], found[is_there]
        same: list[int] = places[numbers[places] == found].tolist()
        return same

    def gather(self, numbers: NDArray[Any]) -> NDArray[np.uint32]:
        """The slots of many products: a line for each, 0 where it has no more. `numbers` ascend."""
        found: NDArray[np.uint32] = self._table.take(numbers, axis=0)
        others: dict[int, Sequence[int]] = {}
        for place in np.flatnonzero(found[:, -1] == MORE).tolist():
            others[place] = self._more.get(int(numbers[place]), ())
        if moved := self._journal.all():
            at = np.searchsorted(numbers, np.fromiter(moved, np.int64, len(moved)))
            for place, (number, row) in zip(at.tolist(), moved.items(), strict=True):
                if place < len(numbers) and numbers[place] == number:
                    others[place] = row.slots
        if others:
            width = max(found.shape[1], *map(len, others.values()))
            found = np.pad(found, ((0, 0), (0, width - found.shape[1])))
            for place, slots in others.items():
                found[place] = 0
                found[place, : len(slots)] = slots
        return found


class Rows:
    """Tags (as slots) and ranks of the products, by number. One thread uses it; others use what `freeze` returned.

    Attributes:
        more: the slots of products that have more than a line of the table holds.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]] = NOTHING) -> None:
        """`columns` as the attribute of that name had them."""
        self.versions = Column(np.int64, columns.get("versions"))
        # Most of these are small: few releases, and few products that people decided about.
        self._sequences = Column(np.uint8, narrowed(columns.get("sequences")))
        self._revisions = Column(np.uint8, narrowed(columns.get("revisions")))
        self._deleted = Column(np.uint8, columns.get("deleted"))
        self._slots = Column(np.uint32, columns.get("slots"))
        self._each = (self.versions, self._sequences, self._revisions, self._deleted)
        self._count = self._room = self.versions.size
        self._width = self._slots.size // self._count if self._count else _WIDTH
        numbers, slots = (columns.get(f"more_{name}", np.zeros(0, np.int64)) for name in ("numbers", "slots"))
        self.more: dict[int, list[int]] = {}
        for number, slot in zip(numbers.tolist(), slots.tolist(), strict=True):
            self.more.setdefault(number, []).append(slot)
        # None until there is a view: nobody needs to know what was before.
        self._journal: Journal | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def table(self) -> NDArray[np.uint32]:
        """A line of slots for each product, and for some that will come."""
        return self._slots.used.reshape(-1, self._width)

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """All tags and ranks as arrays."""
        more = sorted(self.more.items())
        return {
            "versions": self.versions.array[: self._count],
            "sequences": self._sequences.array[: self._count],
            "revisions": self._revisions.array[: self._count],
            "deleted": self._deleted.array[: self._count],
            "slots": self._slots.array[: self._count * self._width],
            "more_numbers": np.array([number for number, slots in more for _ in slots], np.int64),
            "more_slots": np.array([slot for _, slots in more for slot in slots], np.uint32),
        }

    def add(self) -> int:
        """Add a product without tags that ranks below everything, and return its number."""
        number = self._count
        if number == self._room:
            for column in self._each:
                column.extend(_ROOM)
            self._slots.extend(_ROOM * self._width)
            self._room += _ROOM
        self.versions.cells[number] = -1
        self._count += 1
        return number

    def rank(self, number: int) -> tuple[int, bool, int, int]:
        """The rank of what is known of a product: version, whether it is a deletion, sequence, revision."""
        return (
            self.versions.cells[number],
            bool(self._deleted.cells[number]),
            self._sequences.cells[number],
            self._revisions.cells[number],
        )

    def slots(self, number: int) -> list[int]:
        """The slots of a product."""
        begin = number * self._width
        return _slots_of(self._slots.cells[begin : begin + self._width].tolist(), number, self.more)

    def write(self, number: int, rank: tuple[int, bool, int, int], slots: Sequence[int]) -> None:
        """Replace what is known of a product. At most `MAX_TAGS` slots."""
        if self._journal is not None and number not in self._journal.before:
            self._journal.before[number] = Row(self.slots(number), self.versions.cells[number])
        begin, width = number * self._width, self._width
        if len(slots) <= width:
            line = [*slots, *_EMPTY[: width - len(slots)]]
            if self.more:
                self.more.pop(number, None)
        else:
            self.more[number] = list(slots)
            line = [*_EMPTY[: width - 1], MORE]
        self._slots.cells[begin : begin + width] = array("I", line)
        self.versions.cells[number], self._deleted.cells[number], sequence, revision = rank
        self._sequences.put(number, sequence)
        self._revisions.put(number, revision)
        if len(self.more) > max(_ROOM, _MOST_LONGER * self._count):
            self._widen()

    def numbered_slots(self, first: int, end: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The slots of the products from `first` to before `end`, and for each slot the number of its product."""
        table = self.table[first : min(end, self._count)]
        has_slot = (table != 0) & (table != MORE)
        numbers, slots = np.nonzero(has_slot)[0] + first, table[has_slot]
        more = [(number, slot) for number, found in self.more.items() if first <= number < end for slot in found]
        if more:
            numbers = np.concatenate([numbers, np.array([number for number, _ in more], np.int64)])
            slots = np.concatenate([slots, np.array([slot for _, slot in more], np.uint32)])
        return numbers, slots

    def empty(self) -> FrozenRows:
        """The rows as if there were none; nothing is remembered for it."""
        return FrozenRows(self, Journal())

    def freeze(self) -> FrozenRows:
        """The rows as they are now."""
        before, self._journal = self._journal, Journal()
        if before is not None:
            before.next = self._journal
        return FrozenRows(self, self._journal)

    def _widen(self) -> None:
        """Make every line longer. Earlier views keep the table that they have."""
        table = self.table
        self._width += _WIDER
        wider = np.zeros((len(table), self._width), np.uint32)
        wider[:, : table.shape[1]] = table
        fits = {number: slots for number, slots in self.more.items() if len(slots) <= self._width}
        for number, slots in fits.items():
            wider[number] = 0
            wider[number, : len(slots)] = slots
        rest = self.more.keys() - fits.keys()
        for number in rest:
            wider[number] = 0
            wider[number, -1] = MORE
        self._slots = Column(np.uint32, wider.reshape(-1))
        self.more = {number: self.more[number] for number in rest}


_EMPTY = (0,) * (MAX_TAGS + 1)


def _slots_of(line: list[int], number: int, more: Mapping[int, Sequence[int]]) -> list[int]:
    """The slots in a line of the table, or the longer row that it stands for."""
    if line[-1] == MORE:
        return list(more.get(number, ()))
    return line[: line.index(0)] if not line[-1] else line
