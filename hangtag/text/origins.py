"""Where the tokens and n-grams of a text come from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from hangtag.text.product_text import LeftOut
from hangtag.text.wide import Located

_ADDED = -1


@dataclass(frozen=True, slots=True)
class Origins:
    """The segment of each token (0 or 1, or -1 if the tokenizer adds it), and the first of its characters there.

    `segments` and `starts` int32 (tokens,) are of the tokens that the text has after truncation; `left_out` are the
    characters without such a token, and `ngrams` where its n-grams are.
    """

    segments: NDArray[np.int32]
    starts: NDArray[np.int32]
    left_out: LeftOut
    ngrams: Located

    @classmethod
    def of(cls, encoding: Encoding, kept: NDArray[np.int64] | None, ngrams: Located) -> "Origins":
        """Of an encoding with offsets; `kept` are the places of the tokens that stay, None: all do."""
        segments = np.array([_ADDED if each is None else each for each in encoding.sequence_ids], np.int32)
        offsets = np.array(encoding.offsets, np.int32).reshape(-1, 2)
        if kept is None:
            return cls(segments, offsets[:, 0], LeftOut(), ngrams)
        is_left_out = np.ones(len(segments), bool)
        is_left_out[kept] = False
        spans = []
        for segment in (0, 1):
            its = offsets[is_left_out & (segments == segment)]
            spans.append((int(its[0, 0]), int(its[-1, 1])) if len(its) else (0, 0))
        return cls(segments[kept], offsets[kept, 0], LeftOut(*spans), ngrams)
