"""Int8 quantisation: rows of matrices by their largest value, inputs by a fixed range that is searched."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hangtag.bundle import Linear, Table
from trainer.activations import Seen

Floats = NDArray[np.float32]

_TOP = 127
_LEVELS = 256
# How far outliers move from inputs into weights (SmoothQuant's alpha), and how much of the seen range is kept.
import os

from trainer.rounding import rounded

GPTQ = int(os.environ.get("GPTQ", "1"))
_STRENGTHS = eval(os.environ.get("STRENGTHS", "(0.4, 0.55, 0.7, 0.85)"))
_KEPT = eval(os.environ.get("KEPT", "(1.0, 0.9, 0.8, 0.7, 0.55)"))


def quantised_table(table: Floats) -> Table:
    """An embedding in int8, one scale a row."""
    scale = _row_scale(table)
    return Table(_round(table, scale), scale)


def quantised_linears(linears: Sequence[tuple[Floats, Floats]], seen: Seen) -> list[Linear]:
    """Linear layers, each a matrix (out, in) and a bias (out,), that share one input: one smoothing, one range.

    Tries every strength of smoothing with every part of the range and keeps what changes the outputs least.
    """
    matrix = np.concatenate([weight for weight, _ in linears])
    exact = seen.rows @ matrix.T
    best = None
    for strength in _STRENGTHS:
        smooth = _smoothing(matrix, seen, strength)
        scale = _row_scale(matrix * smooth)
        values = (
            rounded(matrix * smooth, scale, seen.moment / np.outer(smooth, smooth))
            if GPTQ
            else _round(matrix * smooth, scale)
        )
        inexact = (values.astype(np.float32) * scale[:, None]).T
        rows = seen.rows / smooth
        for kept in _KEPT:
            low, high = _range(float((seen.low / smooth).min()) * kept, float((seen.high / smooth).max()) * kept)
            off = _fake(rows, low, high) @ inexact - exact
            error = float(off.var(0).sum())
            if best is None or error < best[0]:
                best = (
                    error,
                    smooth,
                    scale,
                    values,
                    low,
                    high,
                    off.mean(0),
                    strength,
                    kept,
                    (rows @ inexact - exact).var(0).sum(),
                )
    assert best is not None
    error, smooth, scale, values, low, high, off, strength, kept, we = best
    print(
        "   ",
        matrix.shape,
        f"rel err {(error / exact.var(0).sum()) ** 0.5:.4f} weights only {(we / exact.var(0).sum()) ** 0.5:.4f}",
        strength,
        kept,
        round(low, 2),
        round(high, 2),
    )
    result, start = [], 0
    for weight, bias in linears:
        part = slice(start, start + len(weight))
        result.append(Linear(values[part], scale[part], bias - off[part], smooth, low, high))
        start = part.stop
    return result


def _smoothing(matrix: Floats, seen: Seen, strength: float) -> Floats:
    # SmoothQuant, equation 4, brought to mean 1 (geometric).
    inputs = np.maximum(np.maximum(-seen.low, seen.high), 1e-5)
    weights = np.maximum(np.abs(matrix).max(0), 1e-5)
    smooth = inputs**strength / weights ** (1 - strength) if strength else np.ones_like(inputs)
    return (smooth / np.exp(np.log(smooth).mean())).astype(np.float32)


def _range(low: float, high: float) -> tuple[float, float]:
    """Widen to hold zero, exactly on a level."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = max(high - low, 1e-6) / (_LEVELS - 1)
    zero = round(-low / step)
    return -zero * step, (_LEVELS - 1 - zero) * step


def _fake(rows: Floats, low: float, high: float) -> Floats:
    step = (high - low) / (_LEVELS - 1)
    return (np.round((np.clip(rows, low, high) - low) / step) * step + low).astype(np.float32)


def _row_scale(matrix: Floats) -> Floats:
    return (np.maximum(np.abs(matrix).max(1), 1e-12) / _TOP).astype(np.float32)


def _round(matrix: Floats, scale: Floats) -> NDArray[np.int8]:
    return np.clip(np.round(matrix / scale[:, None]), -_TOP, _TOP).astype(np.int8)
