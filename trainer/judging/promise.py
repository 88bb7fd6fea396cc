"""A precision that is promised: the lowest confidence from which on tags are right often enough, for sure enough."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import beta

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# The most confident part that is tested first, and how much each further test adds.
_FIRST_SHARE = 0.4
_GROWTH = 1.1


class Promise(BaseModel):
    """What a tag's AUTO threshold was set on.

    `products` were told the tag at or above the threshold, `wrong` of them wrongly. A single facet's tag with too few
    products of its own shares threshold and promise with the others of its facet like it: then `pooled` is true, both
    figures are those of the pool, and the promise speaks of the pool's AUTO tags as a whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    products: int = Field(ge=0)
    wrong: int = Field(ge=0)
    pooled: bool


def fewest_products(precision: float, confidence: float) -> int:
    """The number of products without a single mistake from which on a promise can be made."""
    return math.ceil(math.log(1 - confidence) / math.log(precision))


def promised_threshold(
    confidences: Floats, right: Flags, precision: float, confidence: float
) -> tuple[float, int, int] | None:
    """The lowest threshold that keeps the promise, with the count of products at or above it and of the wrong ones.

    With probability `confidence` over the products, tags at or above the threshold are right with a probability of at
    least `precision`. Thresholds are tested from high to low, each by the Clopper-Pearson bound, up to the first that
    fails; which ones are tested hangs on the confidences alone. So the choice among them costs nothing (fixed sequence
    testing: Angelopoulos et al. 2021, Learn then Test, section 3). `confidences` and `right` of shape (count,).
    None: no promise can be made.
    """
    falling = np.argsort(-confidences, kind="stable")
    wrong = np.cumsum(~right[falling])
    kept = None
    for count in _sizes(confidences[falling], fewest_products(precision, confidence)):
        mistakes = int(wrong[count - 1])
        # Clopper and Pearson 1934: the lower end of the one-sided interval for a share of (count - mistakes) / count.
        if beta.ppf(1 - confidence, count - mistakes, mistakes + 1) < precision:
            break
        kept = float(confidences[falling[count - 1]]), count, mistakes
    return kept


def _sizes(falling: Floats, fewest: int) -> Iterator[int]:
    """How many of the most confident each test takes, rising. Equal confidences stand on one side of a threshold."""
    ends = np.flatnonzero(np.append(falling[:-1] > falling[1:], [True]))[: len(falling)] + 1
    size, last = max(float(fewest), len(falling) * _FIRST_SHARE), 0
    while len(falling) >= fewest and last < len(falling):
        last = int(ends[np.searchsorted(ends, min(size, len(falling)))])
        yield last
        size = last * _GROWTH + 1
