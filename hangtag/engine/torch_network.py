"""The network on packed texts, in torch."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from hangtag.bundle import EncoderConfig, Layer, Linear, Norm, Weights

# Queries, keys and values, (tokens, heads, size), to what each token attends to in its own text, of the same shape.
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]

_HEAD_ROWS = 64


class Network(nn.Module):
    """BERT, mean pooling over a text's tokens, and a linear head.

    Matrix products of the encoder run in `dtype`; the sums between layers, pooling and head in float32. If it is
    compiled, what each layer does beside attention and matrix products becomes a few kernels.
    """

    def __init__(
        self, weights: Weights, encoder: EncoderConfig, dtype: torch.dtype, *, is_compiled: bool = False
    ) -> None:
        super().__init__()
        self.words = _parameter(weights.words.dequantised())
        self.positions = _parameter(weights.positions)
        self.segments = _parameter(weights.segments)
        self.norm = _Norm(weights.embedding_norm, encoder.norm_epsilon)
        self.layers = nn.ModuleList(_Layer(layer, encoder, dtype, is_compiled=is_compiled) for layer in weights.layers)
        # The head has complete blocks of rows: in an incomplete block sums are computed in another order, so that a
        # tag's score would change in its last bit when tags are added.
        self._tags = len(weights.head_bias)
        rows = -self._tags % _HEAD_ROWS
        self.head_weight = _parameter(np.pad(weights.head_weight, ((0, rows), (0, 0))))
        self.head_bias = _parameter(np.pad(weights.head_bias, (0, rows)))

    def hidden(self, ids: Tensor, segments: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """The vector of each token, float32 (tokens, hidden)."""
        hidden: Tensor = self.norm(self.words[ids] + self.positions[positions] + self.segments[segments])
        for layer in self.layers:
            hidden = layer(hidden, attend)
        return hidden

    def means(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """The mean of each text's vectors, float32 (texts, hidden), from the vectors of tokens."""
        # `unsafe` leaves out a check of the lengths that would wait for the device.
        means: Tensor = torch.segment_reduce(hidden, "mean", lengths=lengths.long(), unsafe=True)
        return means

    def logits(self, means: Tensor) -> Tensor:
        """Logits, float32 (texts, tags), from the means of vectors."""
        logits: Tensor = functional.linear(means, self.head_weight, self.head_bias)[:, : self._tags]
        return logits


class _Layer(nn.Module):
    def __init__(self, layer: Layer, encoder: EncoderConfig, dtype: torch.dtype, *, is_compiled: bool) -> None:
        super().__init__()
        self._heads = encoder.heads
        self.into = _Linear(dtype, layer.query, layer.key, layer.value)
        self.attended = _Linear(dtype, layer.attention_output)
        self.attention_norm = _Norm(layer.attention_norm, encoder.norm_epsilon)
        self.widened = _Linear(dtype, layer.intermediate)
        self.narrowed = _Linear(dtype, layer.output)
        self.output_norm = _Norm(layer.output_norm, encoder.norm_epsilon)
        # Layers share what is compiled. Not `self.rest` itself: a layer that holds itself would wait for the garbage
        # collector.
        self._compiled: Callable[[Tensor, Tensor], Tensor] | None = (
            torch.compile(self.rest, dynamic=True) if is_compiled else None
        )

    def forward(self, hidden: Tensor, attend: Attend) -> Tensor:
        tokens, width = hidden.shape
        query, key, value = self.into(hidden).view(tokens, 3, self._heads, width // self._heads).unbind(1)
        return (self._compiled or self.rest)(hidden, attend(query, key, value).reshape(tokens, width))

    def rest(self, hidden: Tensor, mixed: Tensor) -> Tensor:
        """What follows the attention: nothing in it depends on where a text begins."""
        hidden = self.attention_norm(hidden + self.attended(mixed))
        wide = functional.gelu(self.widened(hidden))
        result: Tensor = self.output_norm(hidden + self.narrowed(wide))
        return result


class _Linear(nn.Module):
    """Layers with one input as one product in `dtype`."""

    def __init__(self, dtype: torch.dtype, *layers: Linear) -> None:
        super().__init__()
        self.weight = _parameter(np.concatenate([layer.dequantised() for layer in layers]), dtype)
        self.bias = _parameter(np.concatenate([layer.bias for layer in layers]), dtype)

    def forward(self, value: Tensor) -> Tensor:
        result: Tensor = functional.linear(value.to(self.weight.dtype), self.weight, self.bias)
        return result


class _Norm(nn.Module):
    def __init__(self, norm: Norm, epsilon: float) -> None:
        super().__init__()
        self._epsilon = epsilon
        self.gain, self.bias = _parameter(norm.gain), _parameter(norm.bias)

    def forward(self, value: Tensor) -> Tensor:
        result: Tensor = functional.layer_norm(value, value.shape[-1:], self.gain, self.bias, self._epsilon)
        return result


def _parameter(array: NDArray[np.float32], dtype: torch.dtype = torch.float32) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(array).to(dtype), requires_grad=False)
