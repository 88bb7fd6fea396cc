"""Calibrating the score for "about a product", and the probabilities below which a text counts as off topic."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from hangtag.bundle import Scope
from hangtag.text.kind import TextKind
from hangtag.trainer.judging.promise import is_shown

# At most this share of texts about products may count as off topic, at this confidence.
_REFUSED = {TextKind.PRODUCT: 0.01, TextKind.QUERY: 0.02}
_CONFIDENCE = 0.95
# A text that is more likely about a product than not is never refused.
_MOST = 0.5
_TEMPERATURES = (0.05, 20.0)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class JudgedScope:
    """A calibrated scope, and for each kind of text the shares of texts below its threshold, as `metrics`."""

    scope: Scope
    metrics: dict[str, Any]


def judge_scope(scope: Scope, products: Floats, queries: Floats, off_topic: Floats) -> JudgedScope:
    """Calibrate a scope on the scores of validation products, of queries made from them, and of texts about no product.

    The threshold of a kind is the highest probability, at most 0.5, below which at most 1 % of products, or 2 % of
    queries, fall, shown at confidence level 95 %.
    """
    scores = np.concatenate([products, queries, off_topic])
    truth = np.arange(len(scores)) < len(products) + len(queries)
    calibrated = scope.model_copy(update={"temperature": _temperature(scores, truth)})
    refused_below, metrics = {}, {}
    for kind, on_topic in ((TextKind.PRODUCT, products), (TextKind.QUERY, queries)):
        probabilities = np.sort(calibrated.probabilities(on_topic))
        allowed = _allowed(len(probabilities), 1 - _REFUSED[kind])
        refused_below[kind] = float(min(_MOST, probabilities[allowed])) if len(probabilities) else 0.0
        metrics[kind.value] = {
            "texts": len(probabilities),
            "refused": int((probabilities < refused_below[kind]).sum()),
            "off_topic": len(off_topic),
            "found": int((calibrated.probabilities(off_topic) < refused_below[kind]).sum()),
        }
    return JudgedScope(calibrated.model_copy(update={"refused_below": refused_below}), metrics)


def _allowed(count: int, precision: float) -> int:
    """The largest number of refused texts with which the share of kept ones is shown; 0 if none is."""
    allowed = 0
    while allowed + 1 < count and is_shown(count - allowed - 1, count, precision, _CONFIDENCE):
        allowed += 1
    return allowed


def _temperature(scores: Floats, truth: NDArray[np.bool_]) -> float:
    signs = np.where(truth, 1.0, -1.0)
    # Both sides count alike: there are many more texts about products than others.
    shares = np.where(truth, 0.5 / max(1, truth.sum()), 0.5 / max(1, (~truth).sum()))

    def log_loss(log_temperature: float) -> float:
        return float((shares * np.logaddexp(0, -signs * scores / np.exp(log_temperature))).sum())

    low, high = np.log(_TEMPERATURES)
    return round(float(np.exp(minimize_scalar(log_loss, bounds=(low, high), method="bounded").x)), 4)
