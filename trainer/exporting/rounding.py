"""Rounding a matrix to int8 so that its outputs change least."""

import numpy as np
from numpy.typing import NDArray

_TOP = 127
_BLOCK = 128
# The share of the mean moment added to the diagonal, so that errors in directions without inputs are not free.
_DAMPING = 0.01


def rounded(matrix: NDArray[np.float32], scale: NDArray[np.float32], moment: NDArray[np.float64]) -> NDArray[np.int8]:
    """Round `matrix` (out, in) to multiples of `scale` (out,), given its inputs' second moment (in, in).

    Columns are rounded one after the other, and the error of each is compensated in the remaining columns (Frantar et
    al. 2023, GPTQ, algorithm 1), which works well if inputs are correlated.
    """
    width = matrix.shape[1]
    damped = moment + np.eye(width) * max(_DAMPING * float(np.trace(moment)) / width, 1e-12)
    # Inputs with the largest moment are rounded first, while many columns are left to compensate for them.
    order = np.argsort(-np.diag(damped))
    upper = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    # A column's values lie side by side, and so do its errors.
    left = np.ascontiguousarray(matrix[:, order].T, np.float64)
    values = np.empty(left.shape, np.int8)
    for start in range(0, width, _BLOCK):
        end = min(start + _BLOCK, width)
        errors = np.empty((end - start, len(matrix)))
        for column in range(start, end):
            levels = np.clip(np.round(left[column] / scale), -_TOP, _TOP)
            values[order[column]] = levels
            error = (left[column] - levels * scale) / upper[column, column]
            left[column:end] -= np.outer(upper[column, column:end], error)
            errors[column - start] = error
        left[end:] -= upper[start:end, end:].T @ errors
    return np.ascontiguousarray(values.T)
