"""The states of a language model's automaton, in a quarter of the memory."""

from array import array
from collections.abc import Sequence

import numpy as np

_BYTES = 256


class SparseRows:
    """Rows of 256 next states, of which only those are kept that differ from the first row's. Immutable.

    In place of the complete table: `rows[(row << 8) + byte]` is the next state.
    """

    def __init__(self, table: Sequence[int], usual: int) -> None:
        """`table` holds the rows one after the other, and `usual` is the row that the others are compared with."""
        rows = np.asarray(table, np.uint32).reshape(-1, _BYTES)
        row_of, byte_of = np.nonzero(rows != rows[usual])
        self._usual: list[int] = rows[usual].tolist()
        self._bytes = byte_of.astype(np.uint8).tobytes()
        self._states = array("I", rows[row_of, byte_of].tobytes())
        ends = np.cumsum(np.bincount(row_of, minlength=len(rows)))
        self._starts = array("I", np.append(0, ends).astype(np.uint32).tobytes())

    def __getitem__(self, place: int) -> int:
        row, byte = place >> 8, place & 255
        found = self._bytes.find(byte, self._starts[row], self._starts[row + 1])
        return self._states[found] if found >= 0 else self._usual[byte]
