"""Attention of packed texts: each token to the tokens of its own text."""

import importlib
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from hangtag.engine.packed import Packed
from hangtag.engine.torch_network import Attend

_FUSED = (torch.bfloat16, torch.float16)


def attention(packed: Packed, starts: Tensor, dtype: torch.dtype) -> Attend:
    """One call of the fused kernel for all texts where torch and the device have it, else one for each length.

    `starts` are those of `packed` on the device.
    """
    varlen = _varlen() if starts.is_cuda and dtype in _FUSED else None
    if varlen is None:
        return lambda *heads: _by_length(packed, *heads)
    longest = packed.longest

    def fused(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        result: Tensor = varlen(query, key, value, starts, starts, longest, longest)
        return result

    return fused


def has_fused_attention(device: torch.device, dtype: torch.dtype) -> bool:
    """True if `attention` uses the fused kernel."""
    return device.type == "cuda" and dtype in _FUSED and _varlen() is not None


def _by_length(packed: Packed, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    # Texts of one length need no padding, so what a text gets does not depend on the others.
    results, start = [], 0
    for count, length in packed.runs:
        end = start + count * length
        shape = (count, length, *query.shape[1:])
        queries, keys, values = (each[start:end].view(shape).transpose(1, 2) for each in (query, key, value))
        mixed = functional.scaled_dot_product_attention(queries, keys, values)
        results.append(mixed.transpose(1, 2).flatten(0, 1))
        start = end
    return torch.cat(results)


def _varlen() -> Any:
    try:
        return importlib.import_module("torch.nn.attention.varlen").varlen_attn
    except (ImportError, AttributeError):  # torch before 2.10
        return None
