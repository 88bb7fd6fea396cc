"""Product ids as bytes in one block, and the numbers that the index gives them."""

from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from hangtag.index.column import Column

# Of the cells of the hash table at most this part is in use.
_FULL = 0.6
_SMALLEST_TABLE = 2_048


class Ids:
    """Numbers products in the order in which they first came. A number is never given to another product.

    A product costs its id and some 20 bytes; one Python object for each would cost 100 more. One thread adds, others
    may ask meanwhile.
    """

    def __init__(self, text: NDArray[Any] | None = None, ends: NDArray[Any] | None = None) -> None:
        self._text = Column(np.uint8, text)
        self._ends = Column(np.int64, ends)
        self._hashes = Column(np.uint32)
        self._table = _Table.of_size(_SMALLEST_TABLE)
        if text is not None:
            self._hash_all()

    def __len__(self) -> int:
        return self._ends.size

    @property
    def text(self) -> NDArray[Any]:
        """All ids, one behind the other."""
        return self._text.used

    @property
    def ends(self) -> NDArray[Any]:
        """Where each id ends in `text`."""
        return self._ends.used

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
            self._grow(2 * (self._table.mask + 1))
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

    def _hash_all(self) -> None:
        self._hashes.extend(self._ends.size)
        for number in range(self._ends.size):
            self._hashes.cells[number] = crc32(self.get(number))
        size = _SMALLEST_TABLE
        while self._ends.size > _FULL * size:
            size *= 2
        self._grow(size)

    def _grow(self, size: int) -> None:
        table = _Table.of_size(size)
        for number, key in enumerate(self._hashes.used.tolist()):
            table.put(key, number)
        self._table = table


class _Table(NamedTuple):
    """A hash table with open addressing: cells of a number plus one, 0 where it is free."""

    cells: memoryview
    mask: int

    @classmethod
    def of_size(cls, size: int) -> "_Table":
        return cls(memoryview(np.zeros(size, np.uint32)), size - 1)

    def put(self, key: int, number: int) -> None:
        cells, mask = self
        at = key & mask
        while cells[at]:
            at = (at + 1) & mask
        cells[at] = number + 1
