"""Levels of confidence, by which the products of a tag are kept apart: the best ones are found without the others.

A level is a range of confidences. Near 1, where most products are, it is one step wide; further below it is wider.
"""

from bisect import bisect_right
from itertools import pairwise

import numpy as np

from hangtag.index.slots import CONFIDENCE_STEPS

# The width of levels from so many steps below 1 on.
_WIDTHS = {0: 1, 8: 2, 16: 4, 64: 8, 128: 16, 256: 32, 512: CONFIDENCE_STEPS}


def _starts() -> list[int]:
    bounds = [*_WIDTHS, CONFIDENCE_STEPS + 1]
    return [start for begin, end in pairwise(bounds) for start in range(begin, end, _WIDTHS[begin])]


# How far below 1 each level begins, in steps; level 0 is the best.
STARTS = _starts()
COUNT = len(STARTS)
# The levels from 0 on that are one step wide.
EXACT = STARTS.index(8)
# By confidence in steps.
LEVEL_OF = np.array([bisect_right(STARTS, CONFIDENCE_STEPS - steps) - 1 for steps in range(CONFIDENCE_STEPS + 1)])
LEVELS = LEVEL_OF.tolist()


def level_within(deficit: float) -> int:
    """The last level that holds a confidence of at most `deficit` steps below 1."""
    return bisect_right(STARTS, deficit) - 1
