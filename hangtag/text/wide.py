"""The wide part of a model: a sparse linear layer over hashed n-grams, beside the encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hangtag.text.ngrams import Hashes, ngram_hashes, ngrams
from hangtag.text.product_text import ProductText

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


_LARGEST_GAP = 255
# 1 + ln(count), precomputed.
_DAMPED = (1 + np.log(np.maximum(1, np.arange(10_000)))).astype(np.float32)

_NO_ROWS = np.zeros(0, np.int32)
NO_FEATURES = Features(_NO_ROWS, np.zeros(0, np.float32))
NOWHERE = Located(_NO_ROWS, _NO_ROWS, _NO_ROWS, np.zeros(0, np.float32))


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

    def features(self, text: ProductText) -> Features:
        """A text's n-grams with their TF-IDF weights, (1 + ln count) * idf; each block has its weight as length."""
        rows, values = [], []
        for hashes, weight in zip(ngram_hashes(text), BLOCK_WEIGHTS, strict=True):
            known, _, value = self._block(hashes, weight)
            rows.append(known)
            values.append(value)
        return Features(np.concatenate(rows).astype(np.int32), np.concatenate(values))

    def located(self, text: ProductText) -> tuple[Features, Located]:
        """As `features`, and where the n-grams are in `numbered(text)`.

        Each occurrence of an n-gram has an equal share of its value.
        """
        blocks, found = [], []
        for ngram, weight in zip(ngrams(text), BLOCK_WEIGHTS, strict=True):
            known, counts, value = self._block(ngram.hashes, weight)
            blocks.append((known, value))
            if len(known):
                rows = np.searchsorted(self.hashes, ngram.hashes)
                rows[rows == len(self.hashes)] = 0
                is_known = self.hashes[rows] == ngram.hashes
                rows = rows[is_known]
                shares = (value / counts)[np.searchsorted(known, rows)]
                found.append((rows, ngram.starts[is_known], ngram.ends[is_known], shares))
        features = Features(
            np.concatenate([rows for rows, _ in blocks]).astype(np.int32),
            np.concatenate([values for _, values in blocks]),
        )
        if not found:
            return features, NOWHERE
        rows, starts, ends, values = map(np.concatenate, zip(*found, strict=True))
        return features, Located(*(each.astype(np.int32) for each in (rows, starts, ends)), values)

    def entries(self, rows: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.unsignedinteger], Floats]:
        """The weights of n-grams: of each the place of its row in `rows`, the position of its tag, and the weight."""
        starts, counts = self._starts[rows], self._lengths[rows]
        ends = np.cumsum(counts)
        places = np.repeat(np.arange(len(rows)), counts)
        entries = np.arange(len(places)) + (starts - ends + counts)[places]
        return places, self.tags[entries], self.values[entries] * self._scale[rows][places]

    def rarity(self, hashes: Hashes) -> Floats:
        """The inverse document frequency of each hash; infinite if there are no weights for it."""
        if not len(self.hashes):
            return np.full(len(hashes), np.inf, np.float32)
        rows = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return np.where(self.hashes[rows] == hashes, self._idf[rows], np.float32(np.inf))

    def _block(self, hashes: Hashes, weight: float) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """The known rows of a block of n-grams, how often each occurs, and its value."""
        known, counts = self._known(hashes)
        value = _DAMPED[np.minimum(counts, len(_DAMPED) - 1)] * self._idf[known]
        length = np.sqrt(value @ value)
        return known, counts, value * np.float32(weight / length) if length else value

    def _known(self, hashes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows of the n-grams among the hashes that have weights, and how often each occurs."""
        if not len(self.hashes):
            none = np.zeros(0, np.int64)
            return none, none
        # Sorted first, the search goes through memory in one direction, which is four times as fast.
        hashes = np.sort(hashes)
        starts = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)])
        counts = np.diff(np.append(starts, len(hashes)))
        unique = hashes[starts]
        rows = np.searchsorted(self.hashes, unique)
        rows[rows == len(self.hashes)] = 0
        found = self.hashes[rows] == unique
        return rows[found], counts[found]

    def scores(self, batch: Sequence[Features], tags: int) -> Floats:
        """What each text's n-grams add to its logits: float32 (count, tags). A row depends on its text alone."""
        result = np.empty((len(batch), tags), np.float32)
        for place, features in enumerate(batch):
            starts, counts = self._starts[features.rows], self._lengths[features.rows]
            ends = np.cumsum(counts)
            entries = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + counts, counts)
            factors = np.repeat(features.values * self._scale[features.rows], counts)
            result[place] = np.bincount(self.tags[entries], self.values[entries] * factors, tags)
        return result

    def with_tag_at(self, position: int) -> "Wide":
        """The same weights for a schema with one more tag, at `position`, which gets no weights."""
        rows = np.repeat(np.arange(len(self._lengths)), self._lengths)
        real = self.values != 0  # the others bridge gaps, which may change
        tags = self.tags[real].astype(np.int64)
        tags += tags >= position
        counts = np.bincount(rows[real], minlength=len(self._lengths))
        gaps, values, new_counts = gaps_of(tags, self.values[real], counts)
        return Wide(self.hashes, self.idf, new_counts, self.scale, gaps, values)

    @cached_property
    def tags(self) -> NDArray[np.unsignedinteger]:
        """The position in the schema of every entry's tag. There are millions, so in as few bytes as they need."""
        distances = np.cumsum(self.gaps, dtype=np.int64)
        before = np.concatenate([np.zeros(1, np.int64), distances])[self._starts]
        positions: NDArray[np.int64] = distances - np.repeat(before, self._lengths)
        return positions.astype(np.min_scalar_type(positions.max(initial=0)))

    @cached_property
    def _idf(self) -> Floats:
        return self.idf.astype(np.float32)

    @cached_property
    def _scale(self) -> Floats:
        return self.scale.astype(np.float32)

    @cached_property
    def _lengths(self) -> NDArray[np.int64]:
        return self.counts.astype(np.int64)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.cumsum(self._lengths) - self._lengths


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
