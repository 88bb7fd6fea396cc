"""Int8 quantisation: one scale per matrix row, and for the inputs a fixed range found by search."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hangtag.bundle import Linear, Table
from hangtag.trainer.exporting.activations import InputStatistics
from hangtag.trainer.exporting.rounding import rounded

Floats = NDArray[np.float32]

_TOP = 127
_LEVELS = 256
# The values to try: how far outliers move from inputs into weights (SmoothQuant's alpha), and the share of the observed
# range to keep.
_STRENGTHS = (0.4, 0.6, 0.75, 0.9)
_KEPT = (1.0, 0.9, 0.8, 0.65, 0.5)


def quantised_table(table: Floats) -> Table:
    """Quantise an embedding table to int8, with one scale per row."""
    scale = _row_scale(table)
    return Table(_round(table, scale), scale)


def quantised_linears(linears: Sequence[tuple[Floats, Floats]], seen: InputStatistics) -> list[Linear]:
    """Quantise linear layers that share one input, and so one smoothing and one range.

    Each layer is a matrix (out, in) and a bias (out,). Values are rounded so that the outputs on the collected inputs
    change least.
    """
    matrix = np.concatenate([weight for weight, _ in linears])
    exact = seen.rows @ matrix.T
    smooth, low, high = _search(matrix, seen, exact)
    scale = _row_scale(matrix * smooth)
    values = rounded(matrix * smooth, scale, seen.moment / np.outer(smooth, smooth))
    # The bias corrects the mean error of rounding and clipping.
    off = (_fake(seen.rows / smooth, low, high) @ _float(values, scale).T - exact).mean(0)
    result, start = [], 0
    for weight, bias in linears:
        part = slice(start, start + len(weight))
        result.append(Linear(values[part], scale[part], bias - off[part], smooth, low, high))
        start = part.stop
    return result


def _search(matrix: Floats, seen: InputStatistics, exact: Floats) -> tuple[Floats, float, float]:
    """The smoothing and range (low, high) that change the outputs least, of all combinations of strength and share."""
    best: tuple[float, Floats, float, float] | None = None
    for strength in _STRENGTHS:
        smooth = _smoothing(matrix, seen, strength)
        scale = _row_scale(matrix * smooth)
        inexact = _float(_round(matrix * smooth, scale), scale).T
        for kept in _KEPT:
            low, high = _range(float((seen.low / smooth).min()) * kept, float((seen.high / smooth).max()) * kept)
            error = float((_fake(seen.rows / smooth, low, high) @ inexact - exact).var(0).sum())
            if best is None or error < best[0]:
                best = error, smooth, low, high
    assert best is not None
    return best[1:]


def _smoothing(matrix: Floats, seen: InputStatistics, strength: float) -> Floats:
    # SmoothQuant (Xiao et al. 2023), equation 4, scaled to a geometric mean of 1.
    inputs = np.maximum(np.maximum(-seen.low, seen.high), 1e-5)
    weights = np.maximum(np.abs(matrix).max(0), 1e-5)
    smooth = inputs**strength / weights ** (1 - strength) if strength else np.ones_like(inputs)
    even: Floats = (smooth / np.exp(np.log(smooth).mean())).astype(np.float32)
    return even


def _range(low: float, high: float) -> tuple[float, float]:
    """Widen the range so that zero is in it and exactly on a level."""
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
