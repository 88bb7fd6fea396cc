"""The weights of encoder and head: int8 matrices with a scale per row. Every engine is built from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hangtag.text.wide import Wide

Int8s = NDArray[np.int8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Table:
    """An embedding in int8: row r is `values[r] * scale[r]`. `values` int8 (rows, hidden), `scale` float32 (rows,)."""

    values: Int8s
    scale: Floats

    def dequantised(self) -> Floats:
        """The table as float32 (rows, hidden)."""
        return self.values.astype(np.float32) * self.scale[:, None]


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer: `y = (x / smooth) @ (values * scale[:, None]).T + bias`.

    `values` int8 (out, in), `scale` float32 (out,), `bias` float32 (out,). `smooth` float32 (in,) moves the inputs'
    outliers into the weights (Xiao et al. 2023, SmoothQuant, equation 3). `low` and `high` bound `x / smooth` as
    measured on training texts: an engine that computes in int8 maps this fixed range to 256 levels, the same for every
    text, so that no text's scores depend on another's. `low == high`: the input of this layer stays in float.
    """

    values: Int8s
    scale: Floats
    bias: Floats
    smooth: Floats
    low: float
    high: float

    def dequantised(self) -> Floats:
        """The matrix as float32 (out, in), for inputs that are not smoothed."""
        matrix: Floats = self.values.astype(np.float32) * self.scale[:, None] / self.smooth
        return matrix


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer norm's `gain` and `bias`, float32 (hidden,)."""

    gain: Floats
    bias: Floats


@dataclass(frozen=True, slots=True)
class Layer:
    """One encoder layer. Query, key and value have one input and so share `smooth`, `low` and `high`."""

    query: Linear
    key: Linear
    value: Linear
    attention_output: Linear
    attention_norm: Norm
    intermediate: Linear
    output: Linear
    output_norm: Norm


@dataclass(frozen=True, slots=True)
class Weights:
    """Everything that `model.safetensors` holds.

    `positions` float32 (positions, hidden), `segments` float32 (segments, hidden), `head_weight` float32
    (tags, hidden), `head_bias` float32 (tags,). The head stays in float: it is small and has one input vector per text.
    Engines add the scores of `wide` for a text's n-grams to the head's logits.
    """

    words: Table
    positions: Floats
    segments: Floats
    embedding_norm: Norm
    layers: tuple[Layer, ...]
    head_weight: Floats
    head_bias: Floats
    wide: Wide | None = None
