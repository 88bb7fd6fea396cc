"""Tokens of many texts as a few arrays, which pass quickly between processes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hangtag.text.tokens import Tokens
from hangtag.text.understood import UNREAD
from hangtag.text.wide import Features

_NONE = np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """The arrays of all texts, one text's after another's, and where each ends. `rest` is what else tokens have."""

    ids: NDArray[np.int32]
    segments: NDArray[np.int32]
    ends: Sequence[int]
    rows: NDArray[np.int32]
    values: NDArray[np.float32]
    feature_ends: Sequence[int]
    rest: Sequence[Tokens]

    @classmethod
    def of(cls, tokens: Sequence[Tokens]) -> "EncodedTexts":
        """At least one text."""
        features = [
            Features(_NONE, _NONE.view(np.float32)) if each.features is None else each.features for each in tokens
        ]
        return cls(
            np.concatenate([each.ids for each in tokens]),
            np.concatenate([each.segments for each in tokens]),
            np.cumsum([len(each) for each in tokens]).tolist(),
            np.concatenate([each.rows for each in features]),
            np.concatenate([each.values for each in features]),
            np.cumsum([len(each.rows) for each in features]).tolist(),
            [_rest_of(each) for each in tokens],
        )

    def tokens(self) -> list[Tokens]:
        """The tokens of each text, in order: views of the arrays."""
        places, spans = pairwise([0, *self.ends]), pairwise([0, *self.feature_ends])
        return [
            replace(
                rest,
                ids=self.ids[start:end],
                segments=self.segments[start:end],
                features=None if rest.features is None else Features(self.rows[first:last], self.values[first:last]),
            )
            for (start, end), (first, last), rest in zip(places, spans, self.rest, strict=True)
        ]


def _rest_of(tokens: Tokens) -> Tokens:
    return replace(
        tokens,
        ids=None,  # type: ignore[arg-type] # filled in by `tokens`
        segments=None,  # type: ignore[arg-type] # likewise
        # Without n-grams stays without: that is not the same as none found.
        features=None if tokens.features is None else (),  # type: ignore[arg-type] # likewise
        # The text itself need not come back: only suggestions are explained with it.
        understood=replace(tokens.understood, text=UNREAD.text),
    )
