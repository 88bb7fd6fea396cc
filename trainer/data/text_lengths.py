"""Lengths of the products' texts in tokens, and the effect of truncation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from hangtag.text.product_text import ProductText
from hangtag.text.tokens import ProductTokenizer

# Longer than any cleaned text, so that nothing is truncated.
_NO_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class TextLengths:
    """Lengths in tokens, including special tokens; texts are truncated at `limit`.

    `cut` is the number of products that lose tokens, `cut_first` those that lose tokens of title and category; `lost`
    is the share of all tokens that is lost, 0 to 1.
    """

    limit: int
    mean: float
    median: float
    p95: float
    longest: int
    cut: int
    cut_first: int
    lost: float


def lengths_of(texts: Sequence[ProductText], tokenizer: Tokenizer, max_tokens: int) -> TextLengths:
    """Measure texts (at least one) with a base model's tokenizer, whose truncation setting is changed."""
    complete = _segment_lengths(texts, ProductTokenizer(tokenizer, _NO_LIMIT))
    truncated = _segment_lengths(texts, ProductTokenizer(tokenizer, max_tokens))
    lengths, lost = complete.sum(axis=1), complete - truncated
    return TextLengths(
        limit=max_tokens,
        mean=float(lengths.mean()),
        median=float(np.median(lengths)),
        p95=float(np.quantile(lengths, 0.95)),
        longest=int(lengths.max()),
        cut=int(lost.any(axis=1).sum()),
        cut_first=int((lost[:, 0] > 0).sum()),
        lost=float(lost.sum() / lengths.sum()),
    )


def _segment_lengths(texts: Sequence[ProductText], tokenizer: ProductTokenizer) -> NDArray[np.int64]:
    """The number of tokens in each text's first and second segment; shape (texts, 2)."""
    lengths = [(len(tokens), int(tokens.segments.sum())) for tokens in tokenizer(texts)]
    return np.array([(total - second, second) for total, second in lengths], np.int64)
