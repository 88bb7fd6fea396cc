"""The texts of a batch one after the other, without padding."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from hangtag.text.tokens import Tokens

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Packed:
    """A batch as one row of tokens, the texts ordered by length.

    `ids`, `segments` and `positions`, int32 (tokens,): a text's positions begin at 0. `starts`, int32 (texts + 1,):
    where each text begins, and the number of tokens. `order`: the place in the batch of each text. `runs`: how many
    texts of one length follow each other, with that length.
    """

    ids: Ints
    segments: Ints
    positions: Ints
    starts: Ints
    order: NDArray[np.int64]
    runs: tuple[tuple[int, int], ...]

    @property
    def longest(self) -> int:
        """The tokens of the longest text."""
        return self.runs[-1][1]


def pack(batch: Sequence[Tokens]) -> Packed:
    """Pack a batch of at least one text."""
    lengths = np.array([len(tokens) for tokens in batch], np.int64)
    order = np.argsort(lengths, kind="stable")
    ordered = [batch[place] for place in order.tolist()]
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths[order])])
    return Packed(
        ids=np.concatenate([tokens.ids for tokens in ordered]),
        segments=np.concatenate([tokens.segments for tokens in ordered]),
        positions=(np.arange(starts[-1]) - np.repeat(starts[:-1], lengths[order])).astype(np.int32),
        starts=starts.astype(np.int32),
        order=order,
        runs=tuple((len(list(same)), length) for length, same in groupby(lengths[order].tolist())),
    )


def parts(lengths: Sequence[int], most: int) -> list[slice]:
    """Neighbours that have at most `most` tokens together; a text longer than that is a part of its own."""
    cuts, total = [0], 0
    for place, length in enumerate(lengths):
        if total and total + length > most:
            cuts.append(place)
            total = 0
        total += length
    return [slice(*each) for each in pairwise([*cuts, len(lengths)])] if lengths else []
