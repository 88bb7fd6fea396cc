"""Calibration: a temperature per facet, and the error of the calibrated confidences."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from hangtag.tags.decoding import Logits
from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.tags.thresholds import Calibration
from hangtag.trainer.data.examples import Example

_TEMPERATURES = (0.05, 20.0)
_BINS = 15

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def fit_calibration(logits: Logits, examples: Sequence[Example], schema: TagSchema) -> Calibration:
    """Fit each facet's temperature by minimising the log loss on labelled examples (Guo et al. 2017, section 4.2).

    Logits have the shape (examples, tags). A facet that no example is labelled for gets temperature 1.
    """
    targets = np.stack([example.targets for example in examples])
    known = np.stack([example.known for example in examples])
    temperatures = {}
    for facet in schema.facets:
        where = schema.slices[facet.name]
        rows = known[:, where].any(axis=1)
        if facet.kind is FacetKind.SINGLE:  # if no tag fits, the softmax has no right confidence to aim at
            rows &= targets[:, where].any(axis=1)
        temperatures[facet.name] = (
            round(best_temperature(logits[rows, where], targets[rows, where], facet.kind), 4) if rows.any() else 1.0
        )
    return Calibration(temperatures=temperatures)


def calibration_error(confidences: Floats, right: Flags) -> float:
    """Expected calibration error: the mean distance between confidence and accuracy over 15 bins of equal mass.

    Both arrays have the shape (count,). Guo et al. 2017, equation 3, with the bins of Nguyen and O'Connor 2015.
    """
    order = np.argsort(confidences, kind="stable")
    bins = [rows for rows in np.array_split(order, _BINS) if len(rows)]
    gaps = [abs(confidences[rows].mean() - right[rows].mean()) * len(rows) for rows in bins]
    return float(sum(gaps) / max(1, len(confidences)))


def best_temperature(logits: Logits, targets: NDArray[np.float32], kind: FacetKind) -> float:
    """The temperature, between 0.05 and 20, that minimises the log loss; both arrays have the shape (count, tags).

    If every product is predicted correctly, the best temperature for targets 1 and 0 would be the lowest one, which
    makes every prediction certain. So targets are smoothed by the number of products (Platt 1999, section 2.2).
    """
    truth = targets.astype(np.float64)
    if kind is FacetKind.SINGLE:
        truth += (1 / truth.shape[1] - truth) / (len(truth) + 2)
    else:
        fits = truth.sum()
        truth = np.where(truth > 0, (fits + 1) / (fits + 2), 1 / (truth.size - fits + 2))

    def log_loss(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        if kind is FacetKind.SINGLE:
            shifted = scaled - scaled.max(axis=1, keepdims=True)
            log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
            return float(-(truth * log_p).sum() / len(logits))
        return float((np.logaddexp(0, scaled) - truth * scaled).mean())

    low, high = np.log(_TEMPERATURES)
    return float(np.exp(minimize_scalar(log_loss, bounds=(low, high), method="bounded").x))
