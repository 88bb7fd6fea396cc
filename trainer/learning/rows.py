"""Fitting rows of the head on the frozen encoder's vectors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# The L2 penalty on a row, for vectors of unit variance, relative to the mean log loss.
_PENALTY = 0.02


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the head: weights of shape (tags, hidden) and biases of shape (tags,)."""

    weights: Floats
    biases: Floats

    def scores(self, vectors: Floats) -> Floats:
        """The scores of vectors of shape (texts, hidden), of shape (texts, tags)."""
        scores: Floats = vectors @ self.weights.T + self.biases
        return scores


def fit_single(vectors: Floats, fits: Flags, rest: Floats | None) -> Rows:
    """Rows of tags that exclude each other, by multinomial logistic regression.

    `vectors` are (texts, hidden), `fits` (texts, tags) says which tag fits, at most one a text. `rest`, (texts,), is
    the score of "one of the facet's other tags". Without other tags the texts that no tag fits are to have the same
    score for each. Texts that a tag fits and texts that none fits have the same total weight.
    """
    count = fits.shape[1]
    none: Flags = fits.sum(axis=1) == 0
    fixed = np.empty((len(fits), 0)) if rest is None else rest[:, None]
    targets = np.hstack([fits, none[:, None]] if rest is not None else [np.where(none[:, None], 1 / count, fits)])
    of_tag = fits.sum(axis=0)
    shares = np.where(none, 0.5 / max(1, none.sum()), (fits * (0.5 / count / np.maximum(1, of_tag))).sum(axis=1))
    return _fit(vectors, targets.astype(np.float64), fixed, shares, count)


def fit_multi(vectors: Floats, fits: Flags) -> Rows:
    """Rows of tags that are independent of each other: a logistic regression for each; see `fit_single`."""
    nothing = np.zeros(len(fits))
    found = [fit_single(vectors, fits[:, [tag]], nothing) for tag in range(fits.shape[1])]
    return Rows(np.vstack([each.weights for each in found]), np.concatenate([each.biases for each in found]))


def _fit(vectors: Floats, targets: Floats, fixed: Floats, shares: Floats, count: int) -> Rows:
    """Minimise the weighted cross-entropy of the softmax over `count` new scores and the `fixed` ones beside them."""
    mean, scale = vectors.mean(axis=0), vectors.std(axis=0) + 1e-6
    inputs = (vectors - mean) / scale
    width = inputs.shape[1]

    def loss(flat: Floats) -> tuple[float, Floats]:
        rows, biases = flat[: count * width].reshape(count, width), flat[count * width :]
        scores = np.hstack([inputs @ rows.T + biases, fixed])
        value = shares @ (logsumexp(scores, axis=1) - (targets * scores).sum(axis=1))
        slopes = shares[:, None] * (softmax(scores, axis=1) - targets)[:, :count]
        gradient = np.concatenate([(slopes.T @ inputs + _PENALTY * rows).ravel(), slopes.sum(axis=0)])
        return float(value + _PENALTY / 2 * (rows * rows).sum()), gradient

    flat = minimize(loss, np.zeros(count * (width + 1)), jac=True, method="L-BFGS-B").x
    weights = flat[: count * width].reshape(count, width) / scale
    return Rows(weights, flat[count * width :] - weights @ mean)
