"""The network as an OpenVINO graph, built from a bundle's int8 weights."""

import math
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from hangtag.bundle import EncoderConfig, Layer, Linear, Norm, Table, Weights

import os
MODE = os.environ.get("MODE", "static")
ATT = os.environ.get("ATT", "matmul")

# Added to the scores of padding before the softmax: e to this power is zero in float32.
_PADDING = -1e4
_LEVELS = 256


def cpu_graph(weights: Weights, encoder: EncoderConfig) -> ov.Model:
    """Inputs `ids`, `mask`, `segments`: int32 (count, longest). Output: float32 logits (count, tags)."""
    ids, mask, segments = (op.parameter([-1, -1], np.int32, name) for name in ("ids", "mask", "segments"))
    real = op.convert(mask, "f32")
    hidden = _embed(weights, encoder, ids, segments)
    bias = op.multiply(op.subtract(real, np.float32(1)), np.float32(-_PADDING))
    bias = op.unsqueeze(bias, [1, 2])
    for layer in weights.layers:
        hidden = _layer(layer, encoder, hidden, bias)
    column = op.unsqueeze(real, [2])
    total = op.reduce_sum(op.multiply(hidden, column), [1])
    pooled = op.divide(total, op.reduce_sum(real, [1], keep_dims=True))
    logits = op.add(op.matmul(pooled, _constant(weights.head_weight), False, True), _constant(weights.head_bias))
    return ov.Model([op.result(logits, "logits")], [ids, mask, segments], "tagger")


def _embed(weights: Weights, encoder: EncoderConfig, ids: ov.Node, segments: ov.Node) -> ov.Node:
    length = op.gather(op.shape_of(ids, "i32"), [1], np.int32(0))
    places = op.slice(_constant(weights.positions), np.array([0], np.int32), length, np.array([1], np.int32))
    summed = op.add(_look_up(weights.words, ids), op.gather(_constant(weights.segments), segments, np.int32(0)))
    return _norm(weights.embedding_norm, encoder, op.add(summed, places))


def _look_up(table: Table, ids: ov.Node) -> ov.Node:
    # Rows are picked in int8 and scaled after that: the table is never unpacked.
    rows = op.convert(op.gather(_constant(table.values), ids, np.int32(0)), "f32")
    return op.multiply(rows, op.gather(_constant(table.scale[:, None]), ids, np.int32(0)))


def _layer(layer: Layer, encoder: EncoderConfig, hidden: ov.Node, bias: ov.Node) -> ov.Node:
    size = encoder.hidden // encoder.heads
    shape = np.array([0, 0, encoder.heads, size], np.int32)
    into = _quantised(layer.query, hidden)

    def heads(linear: Linear, order: tuple[int, ...], factor: float = 1.0) -> ov.Node:
        return op.transpose(op.reshape(_linear(linear, into, factor), shape, True), np.array(order, np.int32))

    if ATT == "matmul":
        query = heads(layer.query, (0, 2, 1, 3), 1 / math.sqrt(size))
        scores = op.add(op.matmul(query, heads(layer.key, (0, 2, 3, 1)), False, False), bias)
        mixed = op.matmul(op.softmax(scores, 3), heads(layer.value, (0, 2, 1, 3)), False, False)
    else:
        query = heads(layer.query, (0, 2, 1, 3))
        mixed = op.scaled_dot_product_attention(query, heads(layer.key, (0, 2, 1, 3)), heads(layer.value, (0, 2, 1, 3)), bias)
    back = op.reshape(op.transpose(mixed, np.array([0, 2, 1, 3], np.int32)), np.array([0, 0, encoder.hidden], np.int32), True)
    attended = _linear(layer.attention_output, _quantised(layer.attention_output, back))
    hidden = _norm(layer.attention_norm, encoder, op.add(hidden, attended))
    wide = op.gelu(_linear(layer.intermediate, _quantised(layer.intermediate, hidden)), "erf")
    narrow = _linear(layer.output, _quantised(layer.output, wide))
    return _norm(layer.output_norm, encoder, op.add(hidden, narrow))


def _quantised(linear: Linear, value: ov.Node) -> ov.Node:
    """Smooth a linear layer's input and bring it to 256 fixed levels."""
    if not (linear.smooth == 1).all():
        value = op.multiply(value, _constant(1 / linear.smooth))
    if linear.low == linear.high or MODE != "static":
        return value
    low, high = np.float32(linear.low), np.float32(linear.high)
    return op.fake_quantize(value, low, high, low, high, _LEVELS)


def _linear(linear: Linear, value: ov.Node, factor: float = 1.0) -> ov.Node:
    scale = _constant(linear.scale[:, None] * np.float32(factor))
    if MODE == "dynu8":
        u = op.convert(_constant((linear.values.astype(np.int16) + 128).astype(np.uint8)), "f32")
        zp = op.convert(_constant(np.full((len(linear.bias), 1), 128, np.uint8)), "f32")
        matrix = op.multiply(op.subtract(u, zp), scale)
    elif MODE == "float":
        matrix = _constant(linear.values.astype(np.float32) * scale.data)
    else:
        matrix = op.multiply(op.convert(_constant(linear.values), "f32"), scale)
    return op.add(op.matmul(value, matrix, False, True), _constant(linear.bias * np.float32(factor)))


def _norm(norm: Norm, encoder: EncoderConfig, value: ov.Node) -> ov.Node:
    flat = op.mvn(value, np.array([-1], np.int32), True, encoder.norm_epsilon, "inside_sqrt")
    return op.add(op.multiply(flat, _constant(norm.gain)), _constant(norm.bias))


def _constant(array: NDArray[Any]) -> ov.Node:
    return op.constant(np.ascontiguousarray(array))
