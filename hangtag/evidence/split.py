"""A text's logits, split exactly into what its words add to them."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hangtag.evidence.heads import Floats, Heads, Positions
from hangtag.text.ngrams import numbered
from hangtag.text.origins import Origins
from hangtag.text.product_text import ProductText
from hangtag.text.scripts import UNSPACED

# A word, or a character of a script without spaces between words.
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+(?:'[^\W{UNSPACED}]+)?")
# An n-gram belongs to the word of its first character, and as much to that of its last one.
_HALF = np.float32(0.5)


@dataclass(frozen=True, slots=True)
class Split:
    """The logits of some tags for a text in parts: their sum, with the head's bias, are the logits.

    `words` are in lower case. `added` float32 (words + 1, tags) is what each word adds; the last row is what no word
    adds: special tokens and punctuation.
    """

    words: tuple[str, ...]
    added: Floats


def split_logits(
    text: ProductText, origins: Origins, vectors: Floats, heads: Heads, tags: Positions, wide_strength: float = 1
) -> Split:
    """Split the logits of a text for the tags at some positions of the schema.

    The head is linear over the mean of the tokens' vectors, and the wide part over the text's n-grams. So a token adds
    the product of its vector with the head, divided by the number of tokens, and an n-gram adds its weights. A token's
    vector depends on its neighbours too: what a word adds is what is added at its place.

    `origins` and `vectors` are of the same tokens, and `wide_strength` is the factor on the scores of the n-grams.
    """
    line = numbered(text)
    spans = [match.span() for match in _WORD.finditer(line)]
    owners = _owners(spans, len(line))
    rest = len(spans)
    # Lower case can lengthen a text (a dotted capital I), and a long text is cut.
    places = np.where(origins.segments == 1, len(text.first.lower()) + 2, 1) + origins.starts
    is_in_line = (origins.segments >= 0) & (places < len(line))
    token_owners = np.where(is_in_line, owners[np.minimum(places, len(line) - 1)], rest)
    parts = [_sums(token_owners, heads.of_tokens(vectors, tags), rest + 1)]
    ngrams = origins.ngrams
    if len(ngrams.rows) and wide_strength:
        rows, occurrence = np.unique(ngrams.rows, return_inverse=True)
        shares = (ngrams.values * (_HALF * np.float32(wide_strength)))[:, None] * heads.of_ngrams(rows, tags)[
            occurrence
        ]
        parts += [_sums(owners[ends], shares, rest + 1) for ends in (ngrams.starts, ngrams.ends - 1)]
    return Split(tuple(line[start:end] for start, end in spans), np.sum(parts, axis=0, dtype=np.float32))


def _owners(spans: list[tuple[int, int]], chars: int) -> NDArray[np.int64]:
    """The word that each character belongs to; the number of words for those of none."""
    owners = np.full(chars, len(spans), np.int64)
    if spans:
        starts, ends = np.array(spans, np.int64).T
        lengths = ends - starts
        words = np.repeat(np.arange(len(spans)), lengths)
        owners[np.arange(len(words)) + (starts - np.cumsum(lengths) + lengths)[words]] = words
    return owners


def _sums(owners: NDArray[np.int64], added: Floats, count: int) -> NDArray[np.float64]:
    """The sums of the rows of `added` with the same owner."""
    tags = added.shape[1]
    cells = owners[:, None] * tags + np.arange(tags)
    sums: NDArray[Any] = np.bincount(cells.ravel(), added.ravel(), count * tags)
    return sums.reshape(count, tags)
