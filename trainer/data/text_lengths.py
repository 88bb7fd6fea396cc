"""Lengths of the products' texts in tokens, and the effect of truncation."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from hangtag.text.product_text import ProductText
from hangtag.text.tokens import ProductTokenizer, kept_of_segments

# Longer than any cleaned text, so that nothing is truncated.
_NO_LIMIT = 1_000_000
# Texts that are tokenised in one call.
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class TextLengths:
    """Lengths in tokens, including special tokens; texts are truncated at `limit`.

    `cut` is the number of products that lose tokens, `cut_first` those that lose tokens of title and category; `lost`
    is the share of all tokens that is lost, 0 to 1. All figures are about `measured` products.
    """

    limit: int
    mean: float
    median: float
    p95: float
    longest: int
    cut: int
    cut_first: int
    lost: float
    measured: int


class LengthsOf:
    """Measures texts, one after the other, with a base model's tokenizer, whose truncation setting is changed."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self._tokenizer = ProductTokenizer(tokenizer, _NO_LIMIT)
        self._special = [tokenizer.num_special_tokens_to_add(is_pair) for is_pair in (False, True)]
        self._limit = max_tokens
        self._waiting: list[ProductText] = []
        self._texts_with = np.zeros(1, np.int64)  # the number of texts with each number of tokens
        self._cut = self._cut_first = self._lost = 0

    def add(self, text: ProductText) -> None:
        """Measure a text."""
        self._waiting.append(text)
        if len(self._waiting) >= _AT_ONCE:
            self._measure()

    def result(self) -> TextLengths | None:
        """The figures; None without a text."""
        self._measure()
        counts = self._texts_with
        measured = int(counts.sum())
        if not measured:
            return None
        tokens = int((counts * np.arange(len(counts))).sum())
        return TextLengths(
            limit=self._limit,
            mean=tokens / measured,
            median=_quantile(counts, 0.5),
            p95=_quantile(counts, 0.95),
            longest=len(counts) - 1,
            cut=self._cut,
            cut_first=self._cut_first,
            lost=self._lost / tokens,
            measured=measured,
        )

    def _measure(self) -> None:
        lengths = []
        for tokens in self._tokenizer(self._waiting):
            second = int(tokens.segments.sum())
            first = len(tokens) - second
            lengths.append(len(tokens))
            # Special tokens are never lost.
            special = self._special[bool(second)]
            first, second = first - self._special[0], second - (special - self._special[0])
            kept_first, kept_second = kept_of_segments(first, second, max(0, self._limit - special))
            lost_first, lost_second = first - kept_first, second - kept_second
            self._cut += bool(lost_first or lost_second)
            self._cut_first += bool(lost_first)
            self._lost += lost_first + lost_second
        found = np.bincount(np.array(lengths, np.int64), minlength=len(self._texts_with))
        found[: len(self._texts_with)] += self._texts_with
        self._texts_with = found
        self._waiting.clear()


def lengths_of(texts: Iterable[ProductText], tokenizer: Tokenizer, max_tokens: int) -> TextLengths | None:
    """Measure texts with a base model's tokenizer, whose truncation setting is changed; None if there is none."""
    lengths = LengthsOf(tokenizer, max_tokens)
    for text in texts:
        lengths.add(text)
    return lengths.result()


def _quantile(counts: NDArray[np.int64], share: float) -> float:
    """The quantile of numbers of which `counts` says how often each occurs, interpolated as numpy does."""
    ends = np.cumsum(counts)
    place = (int(ends[-1]) - 1) * share
    low, high = (int(np.searchsorted(ends, each, "right")) for each in (math.floor(place), math.ceil(place)))
    return low + (high - low) * (place - math.floor(place))
