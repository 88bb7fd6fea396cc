"""Hashed word and character n-grams of a product text: the input of a model's wide part."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hangtag.text.limits import MAX_CATEGORY_CHARS, MAX_DESCRIPTION_CHARS, MAX_TITLE_CHARS
from hangtag.text.product_text import ProductText

Hashes = NDArray[np.uint32]
Longs = NDArray[np.uint64]

# Which of the four blocks of `ngram_hashes` are words: those of the complete text, then of the first segment.
WORD_BLOCKS = (False, True, False, True)

LONGEST = 5
_WORD = re.compile(r"\w{2,}")
SPACE = ord(" ")
# The longest cleaned text, doubled because lower case may lengthen it.
MAX_CHARS = 2 * (MAX_TITLE_CHARS + MAX_CATEGORY_CHARS + MAX_DESCRIPTION_CHARS)

# A substring's hash is the sum of its characters times rising powers of an odd number, shifted to start at power 0, so
# that one running sum gives the hashes of all substrings of a text (Karp and Rabin 1987), modulo 2^64.
_BASE = 0x9E3779B97F4A7C15


def _powers(base: int) -> Longs:
    factors = np.full(MAX_CHARS + 1, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


_POWERS = _powers(_BASE)
INVERSES = _powers(pow(_BASE, -1, 2**64))
_MIX = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


class Ngrams(NamedTuple):
    """One block of a text's n-grams: their hashes, and from and to which character of `numbered` each is."""

    hashes: Hashes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


def ngram_hashes(text: ProductText) -> Iterator[Hashes]:
    """The hashes of a text's n-grams in four arrays, each hash as often as its n-gram occurs.

    Characters and words of the complete text, then of its first segment, all in lower case. Characters: 2 to 5 in a row
    within a word and the spaces around it. Words: one and two in a row.
    """
    return (block.hashes for block in ngrams(text))


def numbered(text: ProductText) -> str:
    """The text whose characters `ngrams` counts: a space, the first segment, a space, the second, a space."""
    return f" {text.first.lower()} {text.second.lower()} "[:MAX_CHARS]


def ngrams(text: ProductText) -> Iterator[Ngrams]:
    """As `ngram_hashes`, with the place of each n-gram."""
    complete = numbered(text)
    codes, sums = running_sums(complete)
    starts, ends, hashes = _characters(codes, sums)
    word_starts, word_ends, words = _words(complete, sums)
    first_end = len(text.first.lower()) + 2
    in_first = ends <= first_end
    count = int(np.count_nonzero(word_ends <= first_end))
    yield Ngrams(_mixed(hashes, 0), starts, ends)
    yield _word_block(word_starts, word_ends, words, 1)
    yield Ngrams(_mixed(hashes[in_first], 2), starts[in_first], ends[in_first])
    yield _word_block(word_starts[:count], word_ends[:count], words[:count], 3)


def word_hashes(words: Sequence[str]) -> tuple[NDArray[np.int64], Hashes, Hashes]:
    """The places of those words that are one word of at least two characters, and their hashes in both word blocks."""
    alone = [place for place, word in enumerate(words) if _WORD.fullmatch(word)]
    chunks: list[Longs] = []
    start = 0
    while start < len(alone):
        end, chars = start, 0
        while end < len(alone) and (end == start or chars + len(words[alone[end]]) < MAX_CHARS):
            chars += len(words[alone[end]]) + 1
            end += 1
        text = " ".join(words[place] for place in alone[start:end])[:MAX_CHARS]
        chunks.append(_words(text, running_sums(text)[1])[2])
        start = end
    hashes = np.concatenate([np.zeros(0, np.uint64), *chunks])
    return np.array(alone, np.int64), _mixed(hashes, 1), _mixed(hashes, 3)


def running_sums(text: str) -> tuple[NDArray[np.uint32], Longs]:
    """The codes of at most `MAX_CHARS` characters, and the running sum that all hashes are computed from."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    return codes, np.concatenate([np.zeros(1, np.uint64), np.cumsum((codes + np.uint64(1)) * _POWERS[: len(codes)])])


def _characters(codes: NDArray[np.uint32], sums: Longs) -> tuple[NDArray[np.int64], NDArray[np.int64], Longs]:
    # A space may only be the first or last character of a window.
    spaces = np.concatenate([[0], np.cumsum(codes == SPACE)])
    starts, ends = [], []
    for length in range(2, LONGEST + 1):
        start = np.arange(max(0, len(codes) - length + 1))
        start = start[spaces[start + length - 1] == spaces[start + 1]]
        starts.append(start)
        ends.append(start + length)
    all_starts, all_ends = np.concatenate(starts), np.concatenate(ends)
    return all_starts, all_ends, _substrings(sums, all_starts, all_ends)


def word_spans(text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the words of at least two characters start and end."""
    spans = np.array([match.span() for match in _WORD.finditer(text)], np.int64).reshape(-1, 2)
    return spans[:, 0], spans[:, 1]


def _words(text: str, sums: Longs) -> tuple[NDArray[np.int64], NDArray[np.int64], Longs]:
    starts, ends = word_spans(text)
    return starts, ends, _substrings(sums, starts, ends)


def _word_block(starts: NDArray[np.int64], ends: NDArray[np.int64], words: Longs, block: int) -> Ngrams:
    return Ngrams(
        _mixed(_with_pairs(words), block),
        np.concatenate([starts, starts[:-1]]),
        np.concatenate([ends, ends[1:]]),
    )


def _substrings(sums: Longs, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Longs:
    hashes: Longs = (sums[ends] - sums[starts]) * INVERSES[starts]
    return hashes


def _with_pairs(words: Longs) -> Longs:
    return np.concatenate([words, pairs_of(words)])


def pairs_of(words: Longs) -> Longs:
    """The hash of each word and the one after it."""
    return words[:-1] * _MIX + words[1:]


def _mixed(hashes: Longs, block: int) -> Hashes:
    return finished(half_mixed(hashes), block).astype(np.uint32)


def half_mixed(hashes: Longs) -> Longs:
    """The part of mixing a hash that is the same for all blocks."""
    return (hashes ^ (hashes >> _HALF)) * _MIX


def finished(half: Longs, block: int) -> Longs:
    """The hashes in a block, of 32 bits, from what `half_mixed` returned."""
    mixed = half + np.uint64(block)
    mixed = (mixed ^ (mixed >> _HALF)) * _MIX
    return mixed >> _HALF
