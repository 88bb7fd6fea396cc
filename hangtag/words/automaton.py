"""The states of a language model's automaton, in a tenth of the memory."""

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BYTES = 256
_Numbers = NDArray[np.int64]


class SparseRows:
    """Rows of 256 next states. Immutable. In place of the complete table: `rows[(row << 8) + byte]` is the next state.

    What follows some bytes is mostly what follows the last of them alone. So of each row only what differs from the row
    of its last byte is kept, and of that row what differs from the first one.
    """

    def __init__(self, table: Sequence[int], row_of: Sequence[int]) -> None:
        """`table` holds the rows one after the other; `row_of` has the row of each state, of which the first starts."""
        rows = np.asarray(table, np.uint32).reshape(-1, _BYTES)
        states = np.asarray(row_of, np.int64)
        first = rows[states[0]]
        usual = _rows_of_last_bytes(rows, states)
        usual[np.unique(usual)] = states[0]
        row, byte = np.nonzero(rows != rows[usual])
        self._first: list[int] = first.tolist()
        self._usual = array("I", usual.astype(np.uint32).tobytes())
        self._bytes = byte.astype(np.uint8).tobytes()
        self._states = array("I", rows[row, byte].tobytes())
        ends = np.cumsum(np.bincount(row, minlength=len(rows)))
        self._starts = array("I", np.append(0, ends).astype(np.uint32).tobytes())

    def __getitem__(self, place: int) -> int:
        row, byte = place >> 8, place & 255
        found = self._bytes.find(byte, self._starts[row], self._starts[row + 1])
        if found < 0:
            row = self._usual[row]
            found = self._bytes.find(byte, self._starts[row], self._starts[row + 1])
        return self._states[found] if found >= 0 else self._first[byte]


def _rows_of_last_bytes(rows: NDArray[np.uint32], states: _Numbers) -> _Numbers:
    """For each row the row of the state that its last byte alone leads to; the first state's where there is none."""
    first = rows[states[0]]
    from_row, byte = np.nonzero(rows != first)
    last = np.full(len(rows), -1, np.int64)
    last[states[rows[from_row, byte]]] = byte
    rows_of: _Numbers = np.where(last >= 0, states[first[np.maximum(last, 0)]], states[0])
    return rows_of
