"""Shares with bootstrap intervals, of one bundle or of two on the same texts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1_000
_LOW, _HIGH = 2.5, 97.5

Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `of`, with the 95 % bootstrap interval of the share from `low` to `high`; NaN if `of` is 0."""

    hits: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share, from 0 to 1; NaN if there is nothing to count."""
        return self.hits / self.of if self.of else float("nan")


@dataclass(frozen=True, slots=True)
class Change:
    """A share minus that of another bundle, and the 95 % interval of this difference on the same resamples."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Counted:
    """A measure of each text: its hits, and what they are counted of; both of shape (texts,)."""

    hits: Counts
    of: Counts

    def share(self, weights: Counts) -> Share:
        """The share over all texts, and its interval over the resamples."""
        low, high = _interval(self.resampled(weights))
        return Share(int(self.hits.sum()), int(self.of.sum()), low, high)

    def minus(self, other: "Counted", weights: Counts) -> Change:
        """The change from `other` to this measure, paired: both on the same resamples."""
        low, high = _interval(self.resampled(weights) - other.resampled(weights))
        now, before = _ratio(self.hits.sum(), self.of.sum()), _ratio(other.hits.sum(), other.of.sum())
        return Change(float(now - before), low, high)

    def resampled(self, weights: Counts) -> Counts:
        """The share in each resample; NaN where there is nothing to count."""
        return _ratio(weights @ self.hits, weights @ self.of)


def resamples(texts: int, seed: int = 7) -> Counts:
    """How often each text is in each resample, of shape (resamples, texts)."""
    chances = np.full(texts, 1 / texts) if texts else np.empty(0)
    return np.random.default_rng(seed).multinomial(texts, chances, RESAMPLES).astype(np.float64)


def _ratio(hits: Counts, of: Counts) -> Counts:
    # A resample may have nothing to count.
    shares: Counts = np.divide(hits, of, out=np.full(np.shape(of), np.nan), where=np.asarray(of) > 0)
    return shares


def _interval(values: Counts) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.percentile(known, (_LOW, _HIGH))
    return float(low), float(high)
