"""The n-grams of many texts at once: a few calls of NumPy for all of them instead of some thirty for each."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hangtag.text.ngrams import (
    INVERSES,
    LONGEST,
    MAX_CHARS,
    SPACE,
    Longs,
    finished,
    half_mixed,
    numbered,
    pairs_of,
    running_sums,
    word_spans,
)
from hangtag.text.product_text import ProductText

BLOCKS = 4
# The place of the first text, the characters of each, and where first segments end.
Chunk = tuple[int, list[str], list[int]]
_HASH_BITS = np.uint64(32)


def keyed_hashes(texts: Sequence[ProductText]) -> Longs:
    """Every n-gram of the texts as one number, in no order, each as often as it occurs.

    The lower 32 bits are its hash, as `ngram_hashes` computes it; the upper ones are four times the place of its text
    plus the number of its block.
    """
    return np.concatenate([np.zeros(0, np.uint64), *map(_of_chunk, chunks(texts))])


def chunks(texts: Sequence[ProductText]) -> Iterator[Chunk]:
    """Texts that are short enough together: the place of the first, their characters, and where first segments end."""
    place, lines, ends, chars = 0, list[str](), list[int](), 0
    for text in texts:
        line = numbered(text)
        if lines and chars + len(line) > MAX_CHARS:
            yield place, lines, ends
            place, lines, ends, chars = place + len(lines), [], [], 0
        lines.append(line)
        ends.append(len(text.first.lower()) + 2)
        chars += len(line)
    if lines:
        yield place, lines, ends


def _of_chunk(chunk: Chunk) -> Longs:
    place, lines, first_ends = chunk
    joined = "".join(lines)
    codes, sums = running_sums(joined)
    lengths = np.array([len(line) for line in lines])
    owners = np.repeat(np.arange(place, place + len(lines), dtype=np.uint64), lengths)
    # Whether each character is in the first segment of its text, or one of the spaces around it.
    is_first = np.arange(len(codes)) < np.repeat(np.cumsum(lengths) - lengths + first_ends, lengths)
    hashes, its_owners, of_first = _characters(codes, sums, owners, is_first)
    starts, ends = word_spans(joined)
    words: Longs = (sums[ends] - sums[starts]) * INVERSES[starts]
    word_owners, words_of_first = owners[starts], is_first[ends - 1]
    together = word_owners[1:] == word_owners[:-1]
    words = np.concatenate([words, pairs_of(words)[together]])
    word_owners = np.concatenate([word_owners, word_owners[1:][together]])
    words_of_first = np.concatenate([words_of_first, words_of_first[1:][together]])
    return np.concatenate(
        [
            *_keys(hashes, its_owners, of_first, 0),
            *_keys(words, word_owners, words_of_first, 1),
        ]
    )


def _characters(
    codes: NDArray[np.uint32], sums: Longs, owners: Longs, is_first: NDArray[np.bool_]
) -> tuple[Longs, Longs, NDArray[np.bool_]]:
    """Of each n-gram of characters its hash, its text, and whether it is in the first segment."""
    spaces = np.concatenate([[0], np.cumsum(codes == SPACE)])
    hashes, its_owners, of_first = [], [], []
    for length in range(2, LONGEST + 1):
        count = max(0, len(codes) - length + 1)
        # Texts begin and end with a space, so only an n-gram of two spaces can belong to two texts.
        kept = spaces[length - 1 :][:count] == spaces[1:][:count]
        if length == 2:  # noqa: PLR2004
            kept &= owners[1:] == owners[:-1]
        hashes.append(((sums[length:] - sums[:count]) * INVERSES[:count])[kept])
        its_owners.append(owners[:count][kept])
        of_first.append(is_first[length - 1 :][kept])
    return np.concatenate(hashes), np.concatenate(its_owners), np.concatenate(of_first)


def _keys(hashes: Longs, owners: Longs, of_first: NDArray[np.bool_], block: int) -> Iterator[Longs]:
    """The keys in a block of complete texts, and in that of first segments, whose number is larger by two."""
    half, groups = half_mixed(hashes), owners * np.uint64(BLOCKS) + np.uint64(block)
    yield groups << _HASH_BITS | finished(half, block)
    first_groups = groups[of_first] + np.uint64(2)
    yield first_groups << _HASH_BITS | finished(half[of_first], block + 2)
