"""The weights of a wide part in the form in which their sums are quick to compute."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# An n-gram with more weights than this is stored with one for every tag: a sum of such rows needs a fraction of the
# time for each number that a sum over scattered weights needs. This does not depend on the number of tags, nor does the
# order of adding: a tag's scores must stay the same to the bit when other tags are added to a bundle.
_DENSE_FROM = 36
# Texts whose scattered weights are added up in one call.
_TEXTS = 32
_DENSE = -1


class Entries(NamedTuple):
    """The weights of some n-grams.

    Of most, `weights` float32 (count,), each of the n-gram at `places` for the tag at the position `tags`; those of 0
    count for nothing. Of the others, which are at `dense_places`, `dense` float32 (n-grams, positions).
    """

    places: NDArray[np.int64]
    tags: NDArray[np.int64]
    weights: Floats
    dense_places: NDArray[np.int64]
    dense: Floats


@dataclass(frozen=True, slots=True)
class WideRows:
    """The weights of each n-gram.

    `index` int32 (n-grams, 3) has all that is needed of one n-gram in one place in memory: where its weights are, their
    number (-1: it is a row of `dense`), and the bits of its float32 scale. `dense` is int8 (rows, tags); `tags` and
    `values` are those of all other n-grams, one after the other.
    """

    index: NDArray[np.int32]
    dense: NDArray[np.int8]
    tags: NDArray[np.unsignedinteger]
    values: NDArray[np.int8]

    @classmethod
    def of(
        cls,
        counts: NDArray[np.int64],
        tags: NDArray[np.unsignedinteger],
        values: NDArray[np.int8],
        scale: Floats,
    ) -> Self:
        """From the number of weights of each n-gram, and the position of the tag and the value of each weight."""
        width = int(tags.max(initial=0)) + 1
        is_dense = _real(counts, values) > _DENSE_FROM
        of_dense = np.repeat(is_dense, counts)
        dense = np.zeros((int(is_dense.sum()), width), np.int8)
        rows = np.repeat(np.arange(len(dense)), counts[is_dense])
        real = values[of_dense] != 0  # the others bridge gaps, and two may be of one tag
        dense[rows[real], tags[of_dense][real]] = values[of_dense][real]
        others = np.where(is_dense, 0, counts)
        index = np.empty((len(counts), 3), np.int32)
        index[:, 0] = np.where(is_dense, np.cumsum(is_dense) - 1, np.cumsum(others) - others)
        index[:, 1] = np.where(is_dense, _DENSE, counts)
        index[:, 2] = scale.view(np.int32)
        return cls(index, dense, tags[~of_dense], values[~of_dense])

    def sums(self, rows: Sequence[NDArray[np.int32]], factors: Sequence[Floats], tags: int) -> Floats:
        """The sum of each text's weights, float32 (texts, tags); `factors` are those of the n-grams in `rows`.

        A text's sum depends on the text alone, to the bit.
        """
        result = np.zeros((len(rows), tags), np.float32)
        for start in range(0, len(rows), _TEXTS):
            some = slice(start, start + _TEXTS)
            self._add(result[some], rows[some], factors[some])
        return result

    def entries(self, rows: NDArray[np.int32]) -> "Entries":
        """The weights of n-grams."""
        found = self.index.take(rows, axis=0)
        starts, counts = found[:, 0].astype(np.int64), found[:, 1]
        scale = np.ascontiguousarray(found[:, 2]).view(np.float32)
        is_dense = counts == _DENSE
        dense, others = np.flatnonzero(is_dense), np.flatnonzero(~is_dense)
        lengths = counts[others].astype(np.int64)
        places = np.repeat(others, lengths)
        ends = np.cumsum(lengths)
        entries = np.arange(len(places)) + np.repeat(starts[others] - ends + lengths, lengths)
        tags = self.tags.take(entries).astype(np.int64)
        block = self.dense.take(starts[dense], axis=0) * scale[dense, None]
        return Entries(places, tags, self.values.take(entries) * scale[places], dense, block)

    def _add(self, result: Floats, rows: Sequence[NDArray[np.int32]], factors: Sequence[Floats]) -> None:
        texts, tags = result.shape
        of_text = [len(each) for each in rows]
        owners = np.repeat(np.arange(texts), of_text)
        found = self.index.take(np.concatenate(rows), axis=0)
        places, counts = found[:, 0], found[:, 1]
        scaled = np.concatenate(factors) * np.ascontiguousarray(found[:, 2]).view(np.float32)
        is_dense = counts == _DENSE
        result += self._scattered(places, counts, scaled, owners * tags, ~is_dense, result.size).reshape(texts, tags)
        places, scaled = places[is_dense], scaled[is_dense]
        ends = np.cumsum(np.bincount(owners[is_dense], minlength=texts)).tolist()
        width = self.dense.shape[1]
        for text, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            if end > start:
                weights = self.dense.take(places[start:end], axis=0).astype(np.float32)
                # Row after row, whatever stands beside a column; a product of matrices adds in an order of its own.
                result[text, :width] += np.einsum("i,ij->j", scaled[start:end], weights)

    def _scattered(
        self,
        places: NDArray[np.int32],
        counts: NDArray[np.int32],
        scaled: Floats,
        cells: NDArray[np.int64],
        which: NDArray[np.bool_],
        size: int,
    ) -> NDArray[np.float64]:
        counts = counts[which]
        ends = np.cumsum(counts, dtype=np.int64)
        total = int(ends[-1]) if len(ends) else 0
        entries = np.arange(total) + np.repeat(places[which] - ends + counts, counts)
        sums: NDArray[Any] = np.bincount(
            np.repeat(cells[which], counts) + self.tags.take(entries),
            self.values.take(entries) * np.repeat(scaled[which], counts),
            size,
        )
        return sums


def _real(counts: NDArray[np.int64], values: NDArray[np.int8]) -> NDArray[np.int64]:
    """The number of weights of each n-gram without those of 0, which only bridge gaps."""
    found = np.zeros(len(counts), np.int64)
    some = counts > 0
    starts = (np.cumsum(counts) - counts)[some]
    if len(starts):
        found[some] = np.add.reduceat(values != 0, starts, dtype=np.int64)
    return found
