"""Which rows have equal keys: hashes on disk, sorted a part at a time."""

import math
from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from hangtag.trainer.files.disk_array import AT_ONCE, DiskArray, Places

_ALL_KEYS = 1 << 64


class Keys:
    """One key for each row, in the order of the rows: a hash of 8 bytes, on disk.

    With 10 million different texts, two have the same hash with a probability of 3 in a million.
    """

    def __init__(self) -> None:
        self._hashes = DiskArray(np.uint64)

    def __len__(self) -> int:
        return len(self._hashes)

    def append(self, text: str) -> None:
        """Add the next row's key."""
        self._hashes.append(
            int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        )

    def extend(self, keys: NDArray[np.uint64]) -> None:
        """Add the keys of the next rows, which are hashes of 64 bits already; of shape (rows,)."""
        self._hashes.extend(keys)

    def equal(self, among: NDArray[np.bool_] | None = None) -> Iterator[Places]:
        """The places, in order, of each key that several rows have, in the order of the keys.

        With `among`, of shape (rows,), only rows where it is true are looked at.
        """
        parts = max(1, math.ceil(len(self) / AT_ONCE))
        for part in range(parts):
            yield from _equal(*self._in_range(_ALL_KEYS * part // parts, _ALL_KEYS * (part + 1) // parts - 1, among))

    def _in_range(self, first: int, last: int, among: NDArray[np.bool_] | None) -> tuple[NDArray[np.uint64], Places]:
        """The keys from `first` to `last` and their places."""
        keys, places = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for start, block in self._hashes.blocks():
            its_keys = block[:, 0]
            is_in = (its_keys >= np.uint64(first)) & (its_keys <= np.uint64(last))
            if among is not None:
                is_in &= among[start : start + len(block)]
            found = np.flatnonzero(is_in)
            keys.append(its_keys[found])
            places.append(found + start)
        return np.concatenate(keys), np.concatenate(places)


def _equal(keys: NDArray[np.uint64], places: Places) -> Iterator[Places]:
    order = np.argsort(keys, kind="stable")
    keys, places = keys[order], places[order]
    bounds = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1], [True]])) if len(keys) else np.zeros(1, int)
    several = np.flatnonzero(np.diff(bounds) > 1)
    for start, end in zip(bounds[several].tolist(), bounds[several + 1].tolist(), strict=True):
        yield places[start:end]
