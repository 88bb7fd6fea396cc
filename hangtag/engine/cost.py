"""How many tokens an engine computes for a batch: the unit of every token budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache


class Padding(StrEnum):
    """What an engine pads the texts of a batch to."""

    LONGEST = "longest"  # to the longest text of the batch
    BUCKET = "bucket"  # each text to the bucket of its own length; only texts of one bucket are computed together
    NONE = "none"  # not at all: texts are packed one after the other


@dataclass(frozen=True, slots=True)
class CostModel:
    """What a batch costs on an engine; `max_length` is the encoder's number of positions.

    Every engine declares its own as `Engine.cost`. Planners budget with it, so that a budget means computed tokens.
    `at_once` batches keep the engine busy: one, or two where a device computes while the processor does what comes
    before and after.
    """

    padding: Padding
    max_length: int
    at_once: int = 1

    def of_text(self, length: int) -> int:
        """Tokens computed for one text of `length` tokens that runs alone."""
        return bucket(length, self.max_length) if self.padding is Padding.BUCKET else length

    def of_batch(self, lengths: Sequence[int]) -> int:
        """Tokens computed for texts of these lengths that run together."""
        if self.padding is Padding.LONGEST:
            return max(lengths, default=0) * len(lengths)
        return sum(map(self.of_text, lengths))


@cache  # a planner asks for the same few lengths again and again
def bucket(length: int, max_length: int) -> int:
    """The length that a text is padded to: its own, rounded up by at most an eighth or 7 tokens."""
    step = max(8, 1 << max(0, length.bit_length() - 4))
    return min(-(-length // step) * step, max_length)
