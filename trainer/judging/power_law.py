"""Scores with more products than there are."""

from collections.abc import Sequence

import numpy as np

# Errors below it cannot be told from 0 on some thousand products.
_LEAST_ERROR = 1e-4


def predicted_score(sizes: Sequence[int], scores: Sequence[float], size: int) -> float:
    """The score in [0, 1] predicted for `size` products, from those with rising `sizes`.

    The error (1 - score) follows a power law in the number of products (Hestness et al. 2017, "Deep Learning Scaling is
    Predictable, Empirically"), fitted by least squares on logarithms.
    """
    errors = np.maximum(1 - np.array(scores), _LEAST_ERROR)
    slope, offset = np.polyfit(np.log(sizes), np.log(errors), 1)
    # Noise can make a curve fall; more labels do no harm on average.
    return float(1 - np.exp(offset + slope * np.log(size))) if slope < 0 else scores[-1]
