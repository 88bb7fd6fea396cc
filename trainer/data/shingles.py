"""Texts as sets of 5-character shingles, and the similarity of such sets."""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray

Shingles = NDArray[np.uint32]
Hashes = NDArray[np.uint64]

_CHARS = 5
_PERMUTATIONS = 128
# The highest accepted probability of missing a pair at the threshold.
_MAX_MISS_RATE = 1e-6
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_TOP_BITS = np.uint64(32)
_SKETCH = {"num_perm": _PERMUTATIONS, "seed": 1, "hashfunc": int, "scheme": "affine32"}


def shingles_of(texts: Sequence[str]) -> list[Shingles]:
    """Of each text the sorted, distinct hashes of its 5-character shingles; a shorter text is one shingle."""
    codes = _codes("".join(texts))
    count = max(0, len(codes) - _CHARS + 1)
    hashes = _hashes([codes[at : at + count] for at in range(_CHARS)])
    starts = accumulate(map(len, texts), initial=0)
    return [
        np.unique(hashes[start : start + len(text) - _CHARS + 1] if len(text) >= _CHARS else _hashes(_codes(text)))
        for text, start in zip(texts, starts, strict=False)
    ]


def _codes(text: str) -> Hashes:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.uint64)


def _hashes(columns: Iterable[Hashes]) -> Shingles:
    return np.atleast_1d(_mixed(columns) >> _TOP_BITS).astype(np.uint32)


def band_keys(sets: Sequence[Shingles], threshold: float) -> Hashes:
    """The LSH keys of the sets' MinHashes, of shape (sets, bands): similar sets share a key, others seldom do.

    Bands and rows are chosen so that a pair at the threshold t shares no key with a probability of
    (1 - t^rows)^bands < 1e-6 (Leskovec et al., Mining of Massive Datasets, section 3.4).
    """
    bands, rows = _bands(threshold)
    sketch = MinHash(**_SKETCH)
    found = np.empty((len(sets), bands * rows), np.uint64)
    for at, shingles in enumerate(sets):
        sketch.clear()
        sketch.update_batch(shingles)
        found[at] = sketch.hashvalues[: bands * rows]
    by_row = found.reshape(len(sets), bands, rows)
    return _mixed(by_row[:, :, row] for row in range(rows))


def count_of_bands(threshold: float) -> int:
    """The number of keys that `band_keys` makes."""
    return _bands(threshold)[0]


def jaccard(one: Shingles, other: Shingles) -> float:
    """The Jaccard similarity of two sets, 0 to 1."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)


def possibly_similar(one: Shingles, others: Sequence[Shingles], threshold: float) -> list[int]:
    """Places of the others whose similarity may reach the threshold: a fast upper bound that misses none."""
    sizes = np.fromiter(map(len, others), np.int64, len(others))
    # The ratio of sizes bounds the similarity.
    near = np.flatnonzero(np.minimum(sizes, len(one)) >= threshold * np.maximum(sizes, len(one)))
    if not len(near):
        return []
    marked = np.zeros(1 << 16, np.int64)
    marked[one.astype(np.uint16)] = 1
    shared = marked[np.concatenate([others[at] for at in near.tolist()]).astype(np.uint16)]
    ends = np.cumsum(sizes[near])
    # Hashes in the same slot of the table count as shared: an upper bound of the intersection's size.
    most = np.minimum(np.add.reduceat(shared, ends - sizes[near]), len(one))
    places: list[int] = near[most >= threshold * (sizes[near] + len(one) - most)].tolist()
    return places


def _mixed(columns: Iterable[Hashes]) -> Hashes:
    """Hash the values of each row, given column by column."""
    hashes: Hashes = np.zeros(1, np.uint64)
    for column in columns:
        hashes = (hashes ^ column) * _FACTOR
        hashes ^= hashes >> _TOP_BITS
    return hashes


@cache
def _bands(threshold: float) -> tuple[int, int]:
    fitting = [
        rows
        for rows in range(1, _PERMUTATIONS + 1)
        if (1 - threshold**rows) ** (_PERMUTATIONS // rows) <= _MAX_MISS_RATE or rows == 1
    ]
    rows = max(fitting)
    return _PERMUTATIONS // rows, rows
