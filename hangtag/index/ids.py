"""Product ids as bytes in one block, and the numbers that the index gives them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from hangtag.index.column import Column, narrowed

# Of the cells of the hash table at most this part is in use.
_FULL = 0.6
_SMALLEST_TABLE = 2_048
NOTHING: Mapping[str, NDArray[Any]] = MappingProxyType({})


class Ids:
    """Numbers products in the order in which they first came. A number is never given to another product.

    A product costs its id and some 20 bytes; one Python object for each would cost 100 more. One thread adds, others
    may ask meanwhile.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]] = NOTHING) -> None:
        """`columns` as the attribute of that name had them."""
        self._text = Column(np.uint8, columns.get("text"))
        self._ends = Column(np.uint8, narrowed(columns.get("ends")))
        self._hashes = Column(np.uint32, columns.get("hashes"))
        size = _SMALLEST_TABLE
        while self._ends.size > _FULL * size:
            size *= 2
        self._table = _Table.of(self._hashes.used, size)

    def __len__(self) -> int:
        return self._ends.size

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """All ids as arrays: `text`, one id behind the other, where each `ends`, and their `hashes`."""
        return {"text": self._text.used, "ends": self._ends.used, "hashes": self._hashes.used}

    def find(self, product_id: bytes) -> int | None:
        """The number of a product, None if it has none. Any thread may ask."""
        key = crc32(product_id)
        cells, mask = self._table
        hashes = self._hashes.cells
        at = key & mask
        while number := cells[at]:
            if hashes[number - 1] == key and self.get(number - 1) == product_id:
                return number - 1
            at = (at + 1) & mask
        return None

    def add(self, product_id: bytes) -> int:
        """Give a product that has no number the next one."""
        if (self._ends.size + 1) > _FULL * (self._table.mask + 1):
            self._table = _Table.of(self._hashes.used, 2 * (self._table.mask + 1))
        start = self._text.extend(len(product_id))
        self._text.cells[start : start + len(product_id)] = product_id
        key = crc32(product_id)
        self._hashes.append(key)
        number = self._ends.append(start + len(product_id))
        # Last, so that whoever finds the number finds what belongs to it.
        self._table.put(key, number)
        return number

    def get(self, number: int) -> bytes:
        """The id of a number."""
        ends = self._ends.cells
        start = ends[number - 1] if number else 0
        return bytes(self._text.cells[start : ends[number]])


class _Table(NamedTuple):
    """A hash table with open addressing: cells of a number plus one, 0 where it is free."""

    cells: memoryview
    mask: int

    @classmethod
    def of(cls, hashes: NDArray[Any], size: int) -> "_Table":
        """A table of this many cells, a power of two, with the numbers of these hashes."""
        cells, mask = np.zeros(size, np.uint32), size - 1
        waiting = np.arange(len(hashes), dtype=np.uint32) + np.uint32(1)
        at = hashes.astype(np.int64) & mask
        while len(waiting):
            # Of those that want the same free cell one gets it; all others go on to the next cell.
            is_free = cells[at] == 0
            cells[at[is_free]] = waiting[is_free]
            is_left = cells[at] != waiting
            waiting, at = waiting[is_left], (at[is_left] + 1) & mask
        return cls(cells.data, mask)

    def put(self, key: int, number: int) -> None:
        cells, mask = self
        at = key & mask
        while cells[at]:
            at = (at + 1) & mask
        cells[at] = number + 1
