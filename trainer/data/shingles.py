"""Texts as sets of 5-character runs, and how alike two such sets are."""

from collections.abc import Iterable, Sequence

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray

Shingles = NDArray[np.uint32]
Hashes = NDArray[np.uint64]

_CHARS = 5
_PERMUTATIONS = 128
# How often, at most, a pair at the threshold is not found.
_MISSED = 1e-6
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_TOP_BITS = np.uint64(32)
_EMPTY = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=int, scheme="affine32")


def shingles_of(text: str) -> Shingles:
    """Hashes of the text's runs of 5 characters, each once, sorted; a shorter text is one run."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.uint64)
    width = min(_CHARS, len(codes))
    count = len(codes) - width + 1
    return np.unique((_mixed(codes[at : at + count] for at in range(width)) >> _TOP_BITS).astype(np.uint32))


def band_keys(shingles: Shingles, threshold: float) -> Hashes:
    """Keys, one a band of the set's MinHash: sets that are alike have one of them in common, others seldom have.

    Bands and rows are chosen so that a pair at the threshold has none, (1 - t^rows)^bands, with a probability below
    1e-6 (Leskovec et al., Mining of Massive Datasets, section 3.4).
    """
    sketch = _EMPTY.copy()
    sketch.update_batch(shingles)
    bands, rows = _bands(threshold)
    return _mixed(sketch.hashvalues[: bands * rows].astype(np.uint64).reshape(bands, rows).T)


def jaccard(one: Shingles, other: Shingles) -> float:
    """The Jaccard similarity of two sets, 0 to 1."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)


def within_reach(one: Shingles, others: Sequence[Shingles], threshold: float) -> list[int]:
    """Places of the others whose similarity may reach the threshold, told at once: never too few, seldom too many."""
    sizes = np.fromiter(map(len, others), np.int64, len(others))
    # No pair is more alike than its sizes are.
    near = np.flatnonzero(np.minimum(sizes, len(one)) >= threshold * np.maximum(sizes, len(one)))
    if not len(near):
        return []
    marked = np.zeros(1 << 16, np.int64)
    marked[one.astype(np.uint16)] = 1
    shared = marked[np.concatenate([others[at] for at in near.tolist()]).astype(np.uint16)]
    ends = np.cumsum(sizes[near])
    # What shares a slot of the table counts as shared: an upper bound of what two sets have in common.
    most = np.minimum(np.add.reduceat(shared, ends - sizes[near]), len(one))
    places: list[int] = near[most >= threshold * (sizes[near] + len(one) - most)].tolist()
    return places


def _mixed(columns: Iterable[Hashes]) -> Hashes:
    """One hash of the columns' values, for every row."""
    hashes: Hashes = np.zeros(1, np.uint64)
    for column in columns:
        hashes = (hashes ^ column) * _FACTOR
        hashes ^= hashes >> _TOP_BITS
    return hashes


def _bands(threshold: float) -> tuple[int, int]:
    fitting = [
        rows
        for rows in range(1, _PERMUTATIONS + 1)
        if (1 - threshold**rows) ** (_PERMUTATIONS // rows) <= _MISSED or rows == 1
    ]
    rows = max(fitting)
    return _PERMUTATIONS // rows, rows
