"""Tokens of many texts as a few arrays, which pass quickly between processes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hangtag.tags.decoding import Named
from hangtag.text.tokens import Tokens
from hangtag.text.wide import Features

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """The arrays of all texts, one text's after another's. `ends` and `feature_ends` say where each text's end."""

    ids: Ints
    segments: Ints
    ends: NDArray[np.int64]
    named: Sequence[Named]
    is_cut: Sequence[bool]
    rows: Ints | None
    values: NDArray[np.float32] | None
    feature_ends: NDArray[np.int64]

    @classmethod
    def of(cls, tokens: Sequence[Tokens]) -> "EncodedTexts":
        """At least one text; all with n-grams or all without."""
        features = [each.features for each in tokens if each.features is not None]
        return cls(
            np.concatenate([each.ids for each in tokens]),
            np.concatenate([each.segments for each in tokens]),
            np.cumsum([len(each) for each in tokens]),
            [each.named for each in tokens],
            [each.is_cut for each in tokens],
            np.concatenate([each.rows for each in features]) if features else None,
            np.concatenate([each.values for each in features]) if features else None,
            np.cumsum([len(each.rows) for each in features], dtype=np.int64),
        )

    def tokens(self) -> list[Tokens]:
        """The tokens of each text, in order: views of the arrays."""
        places = list(pairwise([0, *self.ends.tolist()]))
        features: list[Features | None] = [None] * len(places)
        if self.rows is not None and self.values is not None:
            spans = pairwise([0, *self.feature_ends.tolist()])
            features = [Features(self.rows[start:end], self.values[start:end]) for start, end in spans]
        return [
            Tokens(self.ids[start:end], self.segments[start:end], its_features, named, is_cut)
            for (start, end), its_features, named, is_cut in zip(places, features, self.named, self.is_cut, strict=True)
        ]
