"""The n-grams of many texts, with their places."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hangtag.text.ngram_batch import BLOCKS, Chunk, chunks
from hangtag.text.ngrams import (
    INVERSES,
    LONGEST,
    SPACE,
    Longs,
    finished,
    half_mixed,
    pairs_of,
    running_sums,
    word_spans,
)
from hangtag.text.product_text import ProductText

_HASH_BITS = np.uint64(32)
_Places = NDArray[np.int64]


class Placed(NamedTuple):
    """N-grams, in no order, each as often as it occurs.

    `keys` are those of `keyed_hashes`; an n-gram goes from the character `starts` of its text's `numbered` to `ends`.
    """

    keys: Longs
    starts: _Places
    ends: _Places


def placed_ngrams(texts: Sequence[ProductText]) -> Placed:
    """The n-grams of `keyed_hashes`, with their places."""
    none = np.zeros(0, np.int64)
    parts = [Placed(none.astype(np.uint64), none, none), *map(_of_chunk, chunks(texts))]
    return Placed(*map(np.concatenate, zip(*parts, strict=True)))


def _of_chunk(chunk: Chunk) -> Placed:
    first, lines, first_ends = chunk
    joined = "".join(lines)
    codes, sums = running_sums(joined)
    lengths = np.array([len(line) for line in lines])
    line_starts = np.cumsum(lengths) - lengths
    owners = np.repeat(np.arange(len(lines)), lengths)
    is_first = np.arange(len(codes)) < (line_starts + first_ends)[owners]
    starts, ends = _characters(codes, owners)
    parts = [(starts, ends, half_mixed((sums[ends] - sums[starts]) * INVERSES[starts]), 0)]
    starts, ends = word_spans(joined)
    words: Longs = (sums[ends] - sums[starts]) * INVERSES[starts]
    together = owners[starts[1:]] == owners[starts[:-1]]
    both = np.concatenate([words, pairs_of(words)[together]])
    starts, ends = (
        np.concatenate([starts, starts[:-1][together]]),
        np.concatenate([ends, ends[1:][together]]),
    )
    parts.append((starts, ends, half_mixed(both), 1))
    found = []
    for starts, ends, half, block in parts:
        # As in `keyed_hashes`: in the block of complete texts, and in that of first segments if it is within one.
        of_first = is_first[ends - 1]
        for some, its_block in ((slice(None), block), (of_first, block + 2)):
            owner = owners[starts[some]]
            groups = ((owner + first) * BLOCKS + its_block).astype(np.uint64)
            keys = groups << _HASH_BITS | finished(half[some], its_block)
            found.append((keys, starts[some] - line_starts[owner], ends[some] - line_starts[owner]))
    return Placed(*map(np.concatenate, zip(*found, strict=True)))


def _characters(codes: NDArray[np.uint32], owners: _Places) -> tuple[_Places, _Places]:
    """Where the n-grams of characters start and end."""
    spaces = np.concatenate([[0], np.cumsum(codes == SPACE)])
    starts, lengths = [], []
    for length in range(2, LONGEST + 1):
        count = max(0, len(codes) - length + 1)
        kept = spaces[length - 1 :][:count] == spaces[1:][:count]
        if length == 2:  # noqa: PLR2004 (only one of two spaces can belong to two texts)
            kept &= owners[1:] == owners[:-1]
        starts.append(np.flatnonzero(kept))
        lengths.append(np.full(len(starts[-1]), length))
    all_starts = np.concatenate(starts)
    return all_starts, all_starts + np.concatenate(lengths)
