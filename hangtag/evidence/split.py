"""A text's logits, split exactly into what its words add to them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hangtag.bundle.weights import Weights
from hangtag.text.ngrams import numbered
from hangtag.text.product_text import ProductText
from hangtag.text.scripts import UNSPACED

Floats = NDArray[np.float32]

# A word, or a character of a script without spaces between words.
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+(?:'[^\W{UNSPACED}]+)?")


@dataclass(frozen=True, slots=True)
class Split:
    """The logits of a text in parts, whose sum they are.

    `parts` float32 (words + 1, tags) is what each word adds to each tag's logit; the last row is what no word adds:
    special tokens, punctuation and the bias. `words` are in lower case.
    """

    words: tuple[str, ...]
    parts: Floats


def split_logits(text: ProductText, places: Sequence[tuple[int, int]], vectors: Floats, weights: Weights) -> Split:
    """Split the logits of a text.

    The head is linear over the mean of the tokens' vectors, and the wide part over the text's n-grams. So a token adds
    the product of its vector with the head, divided by the number of tokens, and an n-gram adds its weights. A token's
    vector depends on its neighbours too: what a word adds is what is added at its place.

    `places` and `vectors` are of the same tokens, as `ProductTokenizer.places` and an engine return them.
    """
    line = numbered(text)
    spans = [match.span() for match in _WORD.finditer(line)]
    rest = len(spans)
    owners = np.full(len(line), rest, np.int64)
    for word, (start, end) in enumerate(spans):
        owners[start:end] = word
    starts = (1, len(text.first.lower()) + 2)
    parts = np.zeros((rest + 1, len(weights.head_bias)), np.float32)
    added = vectors @ weights.head_weight.T / np.float32(len(vectors))
    at = [rest if segment < 0 else _owner(owners, starts[segment] + offset, rest) for segment, offset in places]
    np.add.at(parts, np.array(at, np.int64), added)
    parts[rest] += weights.head_bias
    if weights.wide is not None:
        parts += weights.wide.scores(weights.wide.features_at(text, owners, rest + 1), parts.shape[1])
    return Split(tuple(line[start:end] for start, end in spans), parts)


def _owner(owners: NDArray[np.int64], place: int, rest: int) -> int:
    # Lower case can lengthen a text (a dotted capital I), and a long text is cut.
    return int(owners[place]) if place < len(owners) else rest
