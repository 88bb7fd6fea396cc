"""A text's logits, split exactly into what its words add to them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hangtag.text.ngrams import numbered
from hangtag.text.product_text import ProductText
from hangtag.text.scripts import UNSPACED
from hangtag.text.wide import Wide

Floats = NDArray[np.float32]

# A word, or a character of a script without spaces between words.
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+(?:'[^\W{UNSPACED}]+)?")


@dataclass(frozen=True, slots=True)
class Split:
    """The logits of a text in parts: their sum, with the head's bias, are the logits.

    `words` are in lower case. `of_tokens` float32 (words + 1, rows of the head) and `of_ngrams` float32 (words + 1,
    tags) are what the tokens and the n-grams of each word add; the last row is what no word adds: special tokens and
    punctuation.
    """

    words: tuple[str, ...]
    of_tokens: Floats
    of_ngrams: Floats


def split_logits(
    text: ProductText,
    places: Sequence[tuple[int, int]],
    vectors: Floats,
    head: Floats,
    wide: Wide | None,
    tags: int,
    wide_strength: float = 1,
) -> Split:
    """Split the logits of a text, for the rows of the head that are given: float32 (rows, hidden).

    The head is linear over the mean of the tokens' vectors, and the wide part over the text's n-grams. So a token adds
    the product of its vector with the head, divided by the number of tokens, and an n-gram adds its weights. A token's
    vector depends on its neighbours too: what a word adds is what is added at its place.

    `places` and `vectors` are of the same tokens, as `ProductTokenizer.places` and an engine return them; `tags` is the
    number of the schema's tags, and `wide_strength` the factor on the scores of the text's n-grams.
    """
    line = numbered(text)
    spans = [match.span() for match in _WORD.finditer(line)]
    rest = len(spans)
    owners = np.full(len(line), rest, np.int64)
    for word, (start, end) in enumerate(spans):
        owners[start:end] = word
    starts = (1, len(text.first.lower()) + 2)
    at = [rest if segment < 0 else _owner(owners, starts[segment] + offset, rest) for segment, offset in places]
    of_tokens = np.zeros((rest + 1, len(head)), np.float32)
    np.add.at(of_tokens, np.array(at, np.int64), vectors @ head.T / np.float32(len(vectors)))
    of_ngrams = np.zeros((rest + 1, tags), np.float32)
    if wide is not None and wide_strength:
        of_ngrams += wide.scores(wide.features_at(text, owners, rest + 1), tags) * np.float32(wide_strength)
    return Split(tuple(line[start:end] for start, end in spans), of_tokens, of_ngrams)


def _owner(owners: NDArray[np.int64], place: int, rest: int) -> int:
    # Lower case can lengthen a text (a dotted capital I), and a long text is cut.
    return int(owners[place]) if place < len(owners) else rest
