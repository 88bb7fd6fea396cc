"""How long the products' texts are, and what truncation cuts from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from hangtag.text.product_text import ProductText
from hangtag.text.tokens import ProductTokenizer

# Longer than any cleaned text: the tokenizer then cuts nothing.
_WHOLE = 1_000_000


@dataclass(frozen=True, slots=True)
class TextLengths:
    """Lengths in tokens, special tokens included; `limit` is where texts are cut.

    `cut` counts the products that lose tokens, `cut_first` those that lose some of title and category; `lost` is the
    part of all tokens that is cut, 0 to 1.
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
    """Measure texts (at least one) with a base model's tokenizer. The tokenizer's own truncation is changed."""
    whole = _segments(texts, ProductTokenizer(tokenizer, _WHOLE))
    kept = _segments(texts, ProductTokenizer(tokenizer, max_tokens))
    lengths, lost = whole.sum(axis=1), whole - kept
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


def _segments(texts: Sequence[ProductText], tokenizer: ProductTokenizer) -> NDArray[np.int64]:
    """Tokens of each text's first and second segment; shape (texts, 2)."""
    second = [(len(tokens), int(tokens.segments.sum())) for tokens in tokenizer(texts)]
    return np.array([(both - its_second, its_second) for both, its_second in second], np.int64)
