"""The wide part of a model: a sparse linear layer over hashed n-grams, beside the encoder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hangtag.text.ngram_batch import BLOCKS, keyed_hashes
from hangtag.text.ngram_places import placed_ngrams
from hangtag.text.ngrams import Hashes
from hangtag.text.product_text import ProductText
from hangtag.text.wide_rows import Entries, WideRows

Floats = NDArray[np.float32]

# The length of each block's vector.
BLOCK_WEIGHTS = tuple(float(np.sqrt(weight)) for weight in (1.0, 0.5, 1.0, 0.5))


@dataclass(frozen=True, slots=True)
class Features:
    """The n-grams of one text that a wide part has weights for: `rows` int32 (count,), `values` float32 (count,)."""

    rows: NDArray[np.int32]
    values: Floats

    def scaled(self, strength: float) -> "Features":
        """The same n-grams with this factor on their scores; none with 0."""
        if strength == 1:
            return self
        return Features(self.rows, self.values * np.float32(strength)) if strength else NO_FEATURES


class Located(NamedTuple):
    """Where the n-grams of a text are that a wide part has weights for: an entry for each occurrence.

    `rows`, `starts` and `ends` int32 (count,): an n-gram goes from one character of `numbered(text)` to another.
    `values` float32 (count,).
    """

    rows: NDArray[np.int32]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    values: Floats


# Texts whose n-grams are found in one call: enough to make NumPy's calls cheap, few enough for little memory.
_TEXTS = 64
_LARGEST_GAP = 255
_HASH_WIDTH = 32
_HASH_BITS = np.uint64(_HASH_WIDTH)
_MOST_PREFIX_BITS = 20
# 1 + ln(count), precomputed.
_DAMPED = (1 + np.log(np.maximum(1, np.arange(10_000)))).astype(np.float32)

_NO_ROWS = np.zeros(0, np.int32)
NO_FEATURES = Features(_NO_ROWS, np.zeros(0, np.float32))
NOWHERE = Located(_NO_ROWS, _NO_ROWS, _NO_ROWS, np.zeros(0, np.float32))


class _Counted(NamedTuple):
    """The known n-grams of texts by text, block and row: of each the row, the block, and how often it occurs."""

    rows: NDArray[np.int32]
    blocks: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, known: NDArray[np.uint64]) -> "_Counted":
        """From keys as `_known_keys` returns them, in rising order."""
        starts = np.flatnonzero(np.append(True, known[1:] != known[:-1])[: len(known)])
        counts = np.diff(np.append(starts, len(known)))
        known = known[starts]
        return cls(known.astype(np.uint32).view(np.int32), (known >> _HASH_BITS).astype(np.int64), counts)

    def ends(self, texts: int) -> list[int]:
        """Where each text's n-grams end, after a 0."""
        return [0, *np.searchsorted(self.blocks, np.arange(BLOCKS, BLOCKS * texts + 1, BLOCKS)).tolist()]


def _known_keys(keys: NDArray[np.uint64], rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The text and block of each key with the row of its hash."""
    return (keys >> _HASH_BITS << _HASH_BITS) + rows.astype(np.uint64)


@dataclass(frozen=True)
class Wide:
    """Weights from n-grams to tags, in int8; only the largest are kept.

    Per n-gram r: `hashes` uint32, rising; `idf` float16; `counts` uint16, its number of entries; `scale` float16. Per
    entry, one n-gram's after another's: `values` int8, where `value * scale[r]` is added to the score of a tag; `gaps`
    uint8, the distance of the tag's position in the schema from that of the entry before (for the first entry of an
    n-gram: from 0). A gap that does not fit into a byte is bridged by entries of value 0.
    """

    hashes: NDArray[np.uint32]
    idf: NDArray[np.float16]
    counts: NDArray[np.uint16]
    scale: NDArray[np.float16]
    gaps: NDArray[np.uint8]
    values: NDArray[np.int8]

    def features(self, texts: Sequence[ProductText]) -> list[Features]:
        """Each text's n-grams with their TF-IDF weights, (1 + ln count) * idf; each block has its weight as length."""
        if not len(self.hashes):
            return [NO_FEATURES] * len(texts)
        batches = (texts[start : start + _TEXTS] for start in range(0, len(texts), _TEXTS))
        return [features for batch in batches for features in self._of_batch(batch)]

    def located(self, texts: Sequence[ProductText]) -> list[tuple[Features, Located]]:
        """As `features`, and where the n-grams are. Each occurrence of an n-gram has an equal share of its value."""
        if not len(self.hashes):
            return [(NO_FEATURES, NOWHERE)] * len(texts)
        placed = placed_ngrams(texts)
        rows = self._rows_of(placed.keys.astype(np.uint32))
        found = np.flatnonzero(rows >= 0)
        known = _known_keys(placed.keys[found], rows[found])
        order = np.argsort(known, kind="stable")
        counted = _Counted.of(known[order])
        values = self._values(counted, len(texts))
        places = found[order]
        shares: Floats = np.repeat(values / counted.counts.astype(np.float32), counted.counts)
        found_rows, starts, ends = (each[places].astype(np.int32) for each in (rows, placed.starts, placed.ends))
        occurrences = np.append(0, np.cumsum(counted.counts))
        result = []
        for first, last in pairwise(counted.ends(len(texts))):
            some = slice(int(occurrences[first]), int(occurrences[last]))
            features = Features(counted.rows[first:last], values[first:last])
            result.append((features, Located(found_rows[some], starts[some], ends[some], shares[some])))
        return result

    def _of_batch(self, texts: Sequence[ProductText]) -> Iterator[Features]:
        keys = keyed_hashes(texts)
        rows = self._rows_of(keys.astype(np.uint32))
        found = rows >= 0
        # Most n-grams have no weights, and are not worth sorting.
        known = _known_keys(keys[found], rows[found])
        known.sort()
        counted = _Counted.of(known)
        values = self._values(counted, len(texts))
        return (
            Features(counted.rows[start:end], values[start:end]) for start, end in pairwise(counted.ends(len(texts)))
        )

    def _values(self, counted: "_Counted", texts: int) -> Floats:
        values: Floats = _DAMPED[np.minimum(counted.counts, len(_DAMPED) - 1)] * self._idf[counted.rows]
        lengths = np.sqrt(np.bincount(counted.blocks, values * values, BLOCKS * texts))
        factors = np.tile(BLOCK_WEIGHTS, texts) / np.where(lengths, lengths, 1)
        values *= factors.astype(np.float32)[counted.blocks]
        return values

    def entries(self, rows: NDArray[np.int32]) -> Entries:
        """The weights of n-grams."""
        return self._rows.entries(rows)

    def rarity(self, hashes: Hashes) -> Floats:
        """The inverse document frequency of each hash; infinite if there are no weights for it."""
        if not len(self.hashes):
            return np.full(len(hashes), np.inf, np.float32)
        rows = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return np.where(self.hashes[rows] == hashes, self._idf[rows], np.float32(np.inf))

    def scores(self, batch: Sequence[Features], tags: int) -> Floats:
        """What each text's n-grams add to its logits: float32 (count, tags). A row depends on its text alone."""
        return self._rows.sums([each.rows for each in batch], [each.values for each in batch], tags)

    def with_tag_at(self, position: int) -> "Wide":
        """The same weights for a schema with one more tag, at `position`, which gets no weights."""
        rows = np.repeat(np.arange(len(self._lengths)), self._lengths)
        real = self.values != 0  # the others bridge gaps, which may change
        tags = self.tags[real].astype(np.int64)
        tags += tags >= position
        counts = np.bincount(rows[real], minlength=len(self._lengths))
        gaps, values, new_counts = gaps_of(tags, self.values[real], counts)
        return Wide(self.hashes, self.idf, new_counts, self.scale, gaps, values)

    @property
    def tags(self) -> NDArray[np.unsignedinteger]:
        """The position in the schema of every entry's tag. There are millions, so in as few bytes as they need."""
        lengths = self._lengths
        distances = np.cumsum(self.gaps, dtype=np.int64)
        before = np.concatenate([np.zeros(1, np.int64), distances])[np.cumsum(lengths) - lengths]
        positions: NDArray[np.int64] = distances - np.repeat(before, lengths)
        return positions.astype(np.min_scalar_type(positions.max(initial=0)))

    @cached_property
    def _rows(self) -> WideRows:
        return WideRows.of(self._lengths, self.tags, self.values, self.scale.astype(np.float32))

    @cached_property
    def _idf(self) -> Floats:
        return self.idf.astype(np.float32)

    def _rows_of(self, hashes: Hashes) -> NDArray[np.int64]:
        """The row of each hash, -1 if it has none."""
        # A table leads close to the row, which a search among all hashes would need three times as long for.
        last = len(self.hashes) - 1
        rows = self._first_rows.take(hashes >> self._prefix_shift).astype(np.int64)
        before = np.flatnonzero((self.hashes.take(rows) < hashes) & (rows < last))
        while len(before):
            rows[before] += 1
            at = rows[before]
            before = before[(self.hashes.take(at) < hashes[before]) & (at < last)]
        rows[self.hashes.take(rows) != hashes] = -1
        return rows

    @cached_property
    def _first_rows(self) -> NDArray[np.int32]:
        """The first row whose hash is not below each possible beginning of a hash, or the last row."""
        beginnings = np.arange(1 << _HASH_WIDTH - int(self._prefix_shift), dtype=np.uint32) << self._prefix_shift
        return np.minimum(np.searchsorted(self.hashes, beginnings), len(self.hashes) - 1).astype(np.int32)

    @property
    def _prefix_shift(self) -> np.uint32:
        # Three beginnings for each n-gram, so that hardly ever two rows are looked at; up to 4 MB.
        return np.uint32(_HASH_WIDTH - min(_MOST_PREFIX_BITS, len(self.hashes).bit_length() + 1))

    @property
    def _lengths(self) -> NDArray[np.int64]:
        return self.counts.astype(np.int64)


def gaps_of(
    tags: NDArray[np.int64], values: NDArray[np.int8], counts: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.uint16]]:
    """Gaps, values and counts as a wide part stores them; `tags` rise within each n-gram."""
    starts = np.cumsum(counts) - counts
    before = np.concatenate([np.zeros(1, np.int64), tags[:-1]])
    before[starts[counts > 0]] = 0
    gaps = tags - before
    bridges = np.maximum(0, gaps - 1) // _LARGEST_GAP
    last = np.cumsum(bridges + 1) - 1
    all_gaps = np.full(len(tags) + bridges.sum(), _LARGEST_GAP, np.uint8)
    all_gaps[last] = gaps - bridges * _LARGEST_GAP
    all_values = np.zeros(len(all_gaps), np.int8)
    all_values[last] = values
    more = np.bincount(np.repeat(np.arange(len(counts)), counts), bridges, len(counts)).astype(np.int64)
    return all_gaps, all_values, (counts + more).astype(np.uint16)
