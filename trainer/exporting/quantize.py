"""Int8 quantisation: matrices with a scale per row, inputs with a fixed range that is found by search."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hangtag.bundle import Linear, Table
from hangtag.trainer.exporting.activations import LayerInput
from hangtag.trainer.exporting.rounding import rounded

Floats = NDArray[np.float32]

_TOP = 127
_LEVELS = 256
# Candidates for SmoothQuant's alpha, the part of outliers that moves from inputs into weights, and for the part of the
# measured range that is kept.
_STRENGTHS = (0.4, 0.6, 0.75, 0.9)
_KEPT = (1.0, 0.9, 0.8, 0.65, 0.5)


def quantised_table(table: Floats) -> Table:
    """An embedding in int8, with one scale per row."""
    scale = _row_scale(table)
    return Table(_round(table, scale), scale)


def quantised_linears(linears: Sequence[tuple[Floats, Floats]], inputs: LayerInput) -> list[Linear]:
    """Quantise linear layers, each a matrix (out, in) and a bias (out,), that share one input, smoothing and range.

    Values are rounded so that the layers' outputs for `inputs` change as little as possible.
    """
    matrix = np.concatenate([weight for weight, _ in linears])
    exact = inputs.rows @ matrix.T
    smooth, low, high = _search(matrix, inputs, exact)
    scale = _row_scale(matrix * smooth)
    values = rounded(matrix * smooth, scale, inputs.moment / np.outer(smooth, smooth))
    # The bias corrects the mean change by rounding and clipping.
    bias_error = (_fake(inputs.rows / smooth, low, high) @ _float(values, scale).T - exact).mean(0)
    result, start = [], 0
    for weight, bias in linears:
        part = slice(start, start + len(weight))
        result.append(Linear(values[part], scale[part], bias - bias_error[part], smooth, low, high))
        start = part.stop
    return result


def _search(matrix: Floats, inputs: LayerInput, exact: Floats) -> tuple[Floats, float, float]:
    """The smoothing, low and high, among all strengths and parts of the range, that change the outputs least."""
    best: tuple[float, Floats, float, float] | None = None
    for strength in _STRENGTHS:
        smooth = _smoothing(matrix, inputs, strength)
        scale = _row_scale(matrix * smooth)
        inexact = _float(_round(matrix * smooth, scale), scale).T
        for kept in _KEPT:
            low, high = _range(float((inputs.low / smooth).min()) * kept, float((inputs.high / smooth).max()) * kept)
            error = float((_fake(inputs.rows / smooth, low, high) @ inexact - exact).var(0).sum())
            if best is None or error < best[0]:
                best = error, smooth, low, high
    assert best is not None
    return best[1:]


def _smoothing(matrix: Floats, inputs: LayerInput, strength: float) -> Floats:
    # SmoothQuant, equation 4, scaled to a geometric mean of 1.
    largest = np.maximum(np.maximum(-inputs.low, inputs.high), 1e-5)
    weights = np.maximum(np.abs(matrix).max(0), 1e-5)
    smooth = largest**strength / weights ** (1 - strength) if strength else np.ones_like(largest)
    even: Floats = (smooth / np.exp(np.log(smooth).mean())).astype(np.float32)
    return even


def _range(low: float, high: float) -> tuple[float, float]:
    """Widen a range so that it holds 0, exactly on a level."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = max(high - low, 1e-6) / (_LEVELS - 1)
    zero = round(-low / step)
    return -zero * step, (_LEVELS - 1 - zero) * step


def _fake(rows: Floats, low: float, high: float) -> Floats:
    step = (high - low) / (_LEVELS - 1)
    levels: Floats = np.round((np.clip(rows, low, high) - low) / step)
    return levels * np.float32(step) + np.float32(low)


def _float(values: NDArray[np.int8], scale: Floats) -> Floats:
    matrix: Floats = values.astype(np.float32) * scale[:, None]
    return matrix


def _row_scale(matrix: Floats) -> Floats:
    scale: Floats = (np.maximum(np.abs(matrix).max(1), 1e-12) / _TOP).astype(np.float32)
    return scale


def _round(matrix: Floats, scale: Floats) -> NDArray[np.int8]:
    return np.clip(np.round(matrix / scale[:, None]), -_TOP, _TOP).astype(np.int8)
