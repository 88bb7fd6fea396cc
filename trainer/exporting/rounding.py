"""Rounding a matrix to int8 so that its outputs change as little as possible."""

import numpy as np
from numpy.typing import NDArray

_TOP = 127
_BLOCK = 128
# Part of the mean moment that is added to the diagonal, so that errors in directions without inputs still count.
_DAMPING = 0.01


def rounded(matrix: NDArray[np.float32], scale: NDArray[np.float32], moment: NDArray[np.float64]) -> NDArray[np.int8]:
    """Round `matrix` (out, in) to `scale` (out,), given its inputs' second moment (in, in).

    One column after another is rounded, and the columns that are not rounded yet compensate for the change of the
    outputs (Frantar et al. 2023, GPTQ, algorithm 1), which works well because inputs are correlated.
    """
    width = matrix.shape[1]
    damped = moment + np.eye(width) * max(_DAMPING * float(np.trace(moment)) / width, 1e-12)
    # Inputs with the largest moment are rounded first, while there are many columns to compensate for them.
    order = np.argsort(-np.diag(damped))
    upper = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    remaining = matrix[:, order].astype(np.float64)
    values = np.empty(matrix.shape, np.int8)
    for start in range(0, width, _BLOCK):
        end = min(start + _BLOCK, width)
        errors = np.empty((len(matrix), end - start))
        for column in range(start, end):
            level = np.clip(np.round(remaining[:, column] / scale), -_TOP, _TOP)
            values[:, order[column]] = level
            error = (remaining[:, column] - level * scale) / upper[column, column]
            remaining[:, column:end] -= np.outer(error, upper[column, column:end])
            errors[:, column - start] = error
        remaining[:, end:] -= errors @ upper[start:end, end:]
    return values
