"""Hashed word and character n-grams of a product text: the input of a model's wide part."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hangtag.text.limits import MAX_CATEGORY_CHARS, MAX_DESCRIPTION_CHARS, MAX_TITLE_CHARS
from hangtag.text.product_text import ProductText

Hashes = NDArray[np.uint32]
_Longs = NDArray[np.uint64]

# Which of the four blocks of `ngram_hashes` are words: those of the complete text, then of the first segment.
WORD_BLOCKS = (False, True, False, True)

_LONGEST = 5
_WORD = re.compile(r"\w{2,}")
_SPACE = ord(" ")
# The longest cleaned text, doubled because lower case may lengthen it.
_MAX_CHARS = 2 * (MAX_TITLE_CHARS + MAX_CATEGORY_CHARS + MAX_DESCRIPTION_CHARS)

# A substring's hash is the sum of its characters times rising powers of an odd number, shifted to start at power 0, so
# that one running sum gives the hashes of all substrings of a text (Karp and Rabin 1987), modulo 2^64.
_BASE = 0x9E3779B97F4A7C15


def _powers(base: int) -> _Longs:
    factors = np.full(_MAX_CHARS + 1, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


_POWERS = _powers(_BASE)
_INVERSES = _powers(pow(_BASE, -1, 2**64))
_MIX = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


def ngram_hashes(text: ProductText) -> Iterator[Hashes]:
    """The hashes of a text's n-grams in four arrays, each hash as often as its n-gram occurs.

    Characters and words of the complete text, then of its first segment, all in lower case. Characters: 2 to 5 in a row
    within a word and the spaces around it. Words: one and two in a row.
    """
    first = text.first.lower()
    complete = f" {first} {text.second.lower()} "[:_MAX_CHARS]
    codes = np.frombuffer(complete.encode("utf-32-le"), np.uint32)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum((codes + np.uint64(1)) * _POWERS[: len(codes)])])
    ends, hashes = _characters(codes, sums)
    word_ends, words = _words(complete, sums)
    first_end = len(first) + 2
    in_first = ends <= first_end
    first_words = words[word_ends <= first_end]
    yield _mixed(hashes, 0)
    yield _mixed(_with_pairs(words), 1)
    yield _mixed(hashes[in_first], 2)
    yield _mixed(_with_pairs(first_words), 3)


def _characters(codes: NDArray[np.uint32], sums: _Longs) -> tuple[NDArray[np.int64], _Longs]:
    # A space may only be the first or last character of a window.
    spaces = np.concatenate([[0], np.cumsum(codes == _SPACE)])
    starts, ends = [], []
    for length in range(2, _LONGEST + 1):
        start = np.arange(max(0, len(codes) - length + 1))
        start = start[spaces[start + length - 1] == spaces[start + 1]]
        starts.append(start)
        ends.append(start + length)
    all_starts, all_ends = np.concatenate(starts), np.concatenate(ends)
    return all_ends, _substrings(sums, all_starts, all_ends)


def _words(text: str, sums: _Longs) -> tuple[NDArray[np.int64], _Longs]:
    spans = np.array([match.span() for match in _WORD.finditer(text)], np.int64).reshape(-1, 2)
    return spans[:, 1], _substrings(sums, spans[:, 0], spans[:, 1])


def _substrings(sums: _Longs, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> _Longs:
    hashes: _Longs = (sums[ends] - sums[starts]) * _INVERSES[starts]
    return hashes


def _with_pairs(words: _Longs) -> _Longs:
    return np.concatenate([words, words[:-1] * _MIX + words[1:]])


def _mixed(hashes: _Longs, block: int) -> Hashes:
    mixed = (hashes ^ (hashes >> _HALF)) * _MIX + np.uint64(block)
    mixed = (mixed ^ (mixed >> _HALF)) * _MIX
    return (mixed >> _HALF).astype(np.uint32)
