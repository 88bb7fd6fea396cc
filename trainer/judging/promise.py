"""The AUTO promise: the lowest threshold whose precision is guaranteed at a confidence level."""

import math
from bisect import bisect_left
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import betaincinv

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# The share of the most confident products that is tested first, and the growth from each test to the next.
_FIRST_SHARE = 0.4
_GROWTH = 1.1
# More products than this do not count as a way to a promise.
_ENOUGH = 100_000


class Promise(BaseModel):
    """The evidence behind a tag's AUTO threshold.

    `products` is the number of products for which the tag is predicted at or above the threshold, `wrong` how many of
    those predictions are wrong. If `pooled`, the tag shares threshold and promise with other tags of its single facet
    that have too few products on their own; both figures are then those of the pool, and the promise is about the
    pool's AUTO tags together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    products: int = Field(ge=0)
    wrong: int = Field(ge=0)
    pooled: bool


def is_shown(right: int, count: int, precision: float, confidence: float) -> bool:
    """Whether `right` of `count` independent outcomes show a probability of at least `precision`."""
    return lower_bound(right, count, confidence) >= precision


def lower_bound(right: int, count: int, confidence: float) -> float:
    """The probability that `right` of `count` independent outcomes show; 0 if none is right.

    Clopper and Pearson 1934: the lower end of the one-sided interval for the share.
    """
    return float(betaincinv(right, count - right + 1, 1 - confidence)) if right else 0.0


def min_products(precision: float, confidence: float) -> int:
    """The lowest number of products, all predicted correctly, with which a promise can be made."""
    return math.ceil(math.log(1 - confidence) / math.log(precision))


def promised_threshold(
    confidences: Floats, right: Flags, precision: float, confidence: float
) -> tuple[float, int, int] | None:
    """Find the lowest threshold for which the promise holds; None if there is none.

    Returns the threshold, the number of products at or above it, and the number of wrong ones among them.
    `confidences` and `right` have the shape (count,). With probability `confidence` over the products, tags at or above
    the threshold are right with a probability of at least `precision`. Thresholds are tested from high to low, each by
    its Clopper-Pearson bound, up to the first that fails. The tested thresholds depend only on the confidences, so no
    correction for multiple tests is needed (fixed sequence testing: Angelopoulos et al. 2021, Learn then Test,
    section 3).
    """
    falling = np.argsort(-confidences, kind="stable")
    wrong = np.cumsum(~right[falling])
    kept = None
    for count in _sizes(confidences[falling], min_products(precision, confidence)):
        mistakes = int(wrong[count - 1])
        if not is_shown(count - mistakes, count, precision, confidence):
            break
        kept = float(confidences[falling[count - 1]]), count, mistakes
    return kept


def more_products(confidences: Floats, right: Flags, precision: float, confidence: float) -> int | None:
    """How many more products a promise needs, if they are predicted as well as these; 0 if there is one.

    None: no number would do, since of the predictions that are tested first too many are wrong. The arrays have the
    shape (count,).
    """
    minimum, count = min_products(precision, confidence), len(confidences)
    if promised_threshold(confidences, right, precision, confidence) is not None:
        return 0
    falling = np.argsort(-confidences, kind="stable")
    first = right[falling][: max(minimum, math.ceil(count * _FIRST_SHARE))]
    tested = shown_from(float(1 - first.mean()) if count else 0.0, precision, confidence)
    if tested is None:
        return None
    return max(1, (tested if tested == minimum else math.ceil(tested / _FIRST_SHARE)) - count)


def shown_from(wrong_share: float, precision: float, confidence: float) -> int | None:
    """The number of outcomes from which on a precision is shown, if this share of them is wrong; None: no number."""

    def suffices(count: int) -> bool:
        wrong = wrong_share * count
        return bool(betaincinv(count - wrong, wrong + 1, 1 - confidence) >= precision)

    minimum = min_products(precision, confidence)
    if wrong_share >= 1 or not suffices(_ENOUGH):
        return None
    # The lower end of the interval rises with the number of outcomes.
    return minimum + bisect_left(range(minimum, _ENOUGH), 1, key=lambda number: int(suffices(number)))


def _sizes(falling: Floats, minimum: int) -> Iterator[int]:
    """The numbers of most confident products to test, ascending; equal confidences are never separated."""
    ends = np.flatnonzero(np.append(falling[:-1] > falling[1:], [True]))[: len(falling)] + 1
    size, last = max(float(minimum), len(falling) * _FIRST_SHARE), 0
    while len(falling) >= minimum and last < len(falling):
        last = int(ends[np.searchsorted(ends, min(size, len(falling)))])
        yield last
        size = last * _GROWTH + 1
