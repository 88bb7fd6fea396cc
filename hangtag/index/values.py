"""Of every product its value of each facet, as one small number: what counts are made from.

The rows of the table of tags have all tags of a product. To count one facet, all of them would be read; here the values
of a facet lie side by side, a byte for each product, or two where the facet has more than 254 values.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hangtag.index.column import Column
from hangtag.index.rows import FrozenRows, Rows
from hangtag.index.slots import in_auto, is_review, tag_number_of, tag_numbers
from hangtag.index.tag_numbers import TagNumbers
from hangtag.tags.tag import facet_of

# A product without an AUTO tag of the facet, one with several, and one with the facet's first value.
_NOTHING, _SEVERAL, _FIRST = 0, 1, 2
# Facets that are kept; products of others are counted by their rows or by their tags.
MOST_FACETS = 32
_LARGEST = (1 << 16) - 1
# Of a facet of which more than this part of the products has several values, counting has to look at the rows anyway.
_MOST_SEVERAL = 0.25
# Products that are counted at a time: their numbers fit into the cache.
_AT_ONCE = 8_192
_ROOM = 1_024
_FILLED_AT_ONCE = 1 << 17


class FrozenValues:
    """The values at one moment. Any thread may read.

    The writer changes the columns, and the journal of the rows has what changed: those products are counted by their
    rows.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        self._columns = columns

    def __contains__(self, facet: str) -> bool:
        return facet in self._columns

    def count(
        self, numbers: NDArray[np.uint32], facets: Mapping[str, Sequence[int]], rows: FrozenRows, tags: int
    ) -> NDArray[np.int64]:
        """How many of these products have each tag of these facets in AUTO, by number of the tag.

        `numbers` ascend; `facets` are among those that are kept, each with the numbers of its tags in their order;
        `tags` is how many tags there are.
        """
        found = np.zeros(tags, np.int64)
        sums = {facet: np.zeros(_FIRST + len(each), np.int64) for facet, each in facets.items()}
        by_rows = np.concatenate([np.array(each, np.int64) for each in facets.values()])
        for first in range(0, len(numbers), _AT_ONCE):
            some = numbers[first : first + _AT_ONCE].astype(np.int64)
            taken = [self._columns[facet].take(some) for facet in facets]
            # After the columns were read: what has changed since then is in it, too.
            changed = rows.changed(some)
            counted = [np.bincount(each, minlength=_FIRST) for each in taken]
            if changed or any(each[_SEVERAL] for each in counted):
                is_other = np.logical_or.reduce([each == _SEVERAL for each in taken])
                is_other[changed] = True
                slots = rows.gather(some[is_other])
                others = np.bincount((tag_numbers(slots) * in_auto(slots)).reshape(-1), minlength=tags)
                found[by_rows] += others[by_rows]
                counted = [np.bincount(each[~is_other], minlength=_FIRST) for each in taken]
            for total, each in zip(sums.values(), counted, strict=True):
                # A value that came after this moment is only of products that have changed.
                total[: len(each)] += each
        for facet, numbered in facets.items():
            found[numbered] += sums[facet][_FIRST:]
        return found


class Values:
    """The values of all products, by number. One thread writes; others use what `freeze` returned."""

    def __init__(self, tags: TagNumbers) -> None:
        self._tags = tags
        self._columns: dict[str, Column] = {}
        self._several: dict[str, int] = {}
        # By number of a tag: its facet and its value's number there; None: the facet is not kept.
        self._places: list[tuple[str, int] | None] = [None]
        self._next: dict[str, int] = {}
        # Cells of each column.
        self._room = 0

    def fill(self, rows: Rows) -> None:
        """Take the values of all products. Values that were frozen before stay as they are."""
        self._columns, self._several, self._places = {}, {}, [None]
        self._next = {}
        self._room = len(rows) + _ROOM
        self._learn()
        # Of tags whose facet is not kept, the value is `_NOTHING`.
        names = {facet: at for at, facet in enumerate(self._columns)}
        column_of = np.array([-1 if each is None else names.get(each[0], -1) for each in self._places])
        value_of = np.array([_NOTHING if each is None else each[1] for each in self._places])
        for first in range(0, len(rows), _FILLED_AT_ONCE):
            numbers, slots = rows.numbered_slots(first, first + _FILLED_AT_ONCE)
            is_auto = in_auto(slots)
            numbers, found = numbers[is_auto], tag_numbers(slots[is_auto])
            places = column_of[found]
            for facet, at in names.items():
                having = numbers[places == at]
                column = self._columns[facet]
                column.array[having] = value_of[found[places == at]]
                times = np.bincount(having - first)
                several = np.flatnonzero(times > 1) + first
                column.array[several] = _SEVERAL
                self._several[facet] += len(several)

    def write(self, number: int, slots: Iterable[int]) -> None:
        """A product has these slots now; its row has them already. Numbers come in order."""
        self._learn()
        if number >= self._room:
            for column in self._columns.values():
                column.extend(_ROOM)
            self._room += _ROOM
        values: dict[str, int] = {}
        for slot in slots:
            place = None if is_review(slot) else self._places[tag_number_of(slot)]
            if place is not None:
                facet, value = place
                values[facet] = _SEVERAL if facet in values else value
        for facet, column in self._columns.items():
            value, cells = values.get(facet, _NOTHING), column.cells
            self._several[facet] += (value == _SEVERAL) - (cells[number] == _SEVERAL)
            cells[number] = value

    def freeze(self) -> FrozenValues:
        """The values as they are now."""
        most = _MOST_SEVERAL * self._room
        return FrozenValues(
            {facet: column.array for facet, column in self._columns.items() if self._several[facet] <= most}
        )

    def _learn(self) -> None:
        """Give the values of tags that are new their numbers."""
        for number in range(len(self._places), len(self._tags)):
            facet = facet_of(self._tags.tags[number])
            value = self._next.get(facet, _FIRST)
            self._next[facet] = value + 1
            if facet not in self._columns and value == _FIRST and len(self._columns) < MOST_FACETS:
                self._columns[facet], self._several[facet] = Column(np.uint8), 0
                self._columns[facet].extend(self._room)
            self._places.append((facet, value) if facet in self._columns else None)
            if facet in self._columns:
                self._widen(facet, value)

    def _widen(self, facet: str, value: int) -> None:
        """Let the cells of a facet hold a value's number. Values that were frozen before stay where they are."""
        column = self._columns[facet]
        if value > _LARGEST:
            del self._columns[facet]
        elif value > np.iinfo(column.array.dtype).max:
            self._columns[facet] = Column(np.uint16, column.array.astype(np.uint16))
