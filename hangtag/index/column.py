"""A growing array of numbers, one for each product."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

# What cells can be made of, narrowest first.
_TYPES = (np.uint8, np.uint16, np.uint32, np.int64)
_SMALLEST = 1_024
_GROWTH = 1.05


class Column:
    """Cells of one type behind each other. One thread writes; whoever reads takes `array` once and keeps it.

    Growing, and a number that is too large for the cells, make a new array: one that was taken before keeps what it
    had, and is never written again.

    Attributes:
        array: the cells, `size` of them in use.
        cells: the same memory, for reading and writing one number at a time.
    """

    __slots__ = ("array", "cells", "size")

    def __init__(self, dtype: DTypeLike, content: NDArray[Any] | None = None) -> None:
        self.array: NDArray[Any] = np.zeros(_SMALLEST, dtype) if content is None else content
        self.cells = self.array.data
        self.size = 0 if content is None else len(content)

    @property
    def used(self) -> NDArray[Any]:
        """The cells in use."""
        return self.array[: self.size]

    def extend(self, count: int) -> int:
        """Add `count` cells of zero and return the number of the first."""
        first = self.size
        if first + count > len(self.array):
            grown = np.zeros(int((first + count) * _GROWTH) + _SMALLEST, self.array.dtype)
            grown[:first] = self.array[:first]
            self.array, self.cells = grown, grown.data
        self.size = first + count
        return first

    def append(self, value: int) -> int:
        """Add a cell and return its number."""
        at = self.extend(1)
        self.put(at, value)
        return at

    def put(self, at: int, value: int) -> None:
        """Write a cell. If the number does not fit, all cells become as wide as it needs, in a new array."""
        try:
            self.cells[at] = value
        except ValueError:
            self.array = self.array.astype(narrowest(value, value))
            self.cells = self.array.data
            self.cells[at] = value


def narrowed(numbers: NDArray[Any] | None) -> NDArray[Any]:
    """The numbers in the narrowest cells that hold all of them; none at all if None."""
    if numbers is None or not len(numbers):
        return np.zeros(0, _TYPES[0])
    return numbers.astype(narrowest(int(numbers.min()), int(numbers.max())), copy=False)


def narrowest(least: int, most: int) -> DTypeLike:
    """The narrowest type of cells for numbers from `least` to `most`."""
    return next(each for each in _TYPES if np.iinfo(each).min <= least and most <= np.iinfo(each).max)
