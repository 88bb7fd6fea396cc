"""The network as an OpenVINO graph, built from a bundle's int8 weights."""

import math
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from hangtag.bundle import EncoderConfig, Layer, Linear, Norm, Table, Weights

# Added to the attention scores of padding: e to this power is 0 in float32, so padding has no weight at all.
_PADDING = np.float32(-1e4)
_LEVELS = 256
_FIRST = np.int32(0)


def cpu_graph(weights: Weights, encoder: EncoderConfig, int8_inputs: bool, vectors: bool = False) -> ov.Model:
    """The graph; inputs are ids, mask and segments, int32 (count, length), outputs are float32.

    These are the logits (count, tags), and the means of the tokens' vectors (count, hidden), the input of the head.
    With `int8_inputs` the matrix products run in int8, each input in its layer's fixed range; otherwise in float. With
    `vectors` the tokens' vectors are a third output, float32 (count, length, hidden).
    """
    ids, mask, segments = (op.parameter([-1, -1], np.int32, name) for name in ("ids", "mask", "segments"))
    real = op.convert(mask, "f32")
    bias = op.unsqueeze(op.multiply(op.subtract(np.float32(1), real), _PADDING), [1, 2])
    hidden = _embed(weights, encoder, ids, segments)
    for layer in weights.layers:
        hidden = _layer(layer, encoder, hidden, bias, int8_inputs)
    total = op.reduce_sum(op.multiply(hidden, op.unsqueeze(real, [2])), [1])
    pooled = op.divide(total, op.reduce_sum(real, [1], keep_dims=True))
    logits = op.add(op.matmul(pooled, _constant(weights.head_weight), False, True), _constant(weights.head_bias))
    results = [op.result(logits, "logits"), op.result(pooled, "means")]
    if vectors:
        results.append(op.result(hidden, "vectors"))
    return ov.Model(results, [ids, mask, segments], "tagger")


def _embed(weights: Weights, encoder: EncoderConfig, ids: ov.Node, segments: ov.Node) -> ov.Node:
    length = op.gather(op.shape_of(ids, "i32"), [1], _FIRST)
    places = op.slice(_constant(weights.positions), np.array([0], np.int32), length, np.array([1], np.int32))
    summed = op.add(_look_up(weights.words, ids), op.gather(_constant(weights.segments), segments, _FIRST))
    return _norm(weights.embedding_norm, encoder, op.add(summed, places))


def _look_up(table: Table, ids: ov.Node) -> ov.Node:
    # Rows are gathered in int8 and scaled after that, so that the table is never expanded to float.
    rows = op.convert(op.gather(_constant(table.values), ids, _FIRST), "f32")
    return op.multiply(rows, op.gather(_constant(table.scale[:, None]), ids, _FIRST))


def _layer(layer: Layer, encoder: EncoderConfig, hidden: ov.Node, bias: ov.Node, int8: bool) -> ov.Node:
    size = encoder.hidden // encoder.heads
    split = np.array([0, 0, encoder.heads, size], np.int32)
    merged = np.array([0, 0, encoder.hidden], np.int32)
    into = _input(layer.query, hidden, int8)  # the same for query, key and value

    def heads(linear: Linear, order: tuple[int, ...], factor: float = 1.0) -> ov.Node:
        return op.transpose(op.reshape(_linear(linear, into, factor), split, True), np.array(order, np.int32))

    query = heads(layer.query, (0, 2, 1, 3), 1 / math.sqrt(size))
    scores = op.add(op.matmul(query, heads(layer.key, (0, 2, 3, 1)), False, False), bias)
    mixed = op.matmul(op.softmax(scores, 3), heads(layer.value, (0, 2, 1, 3)), False, False)
    mixed = op.reshape(op.transpose(mixed, np.array([0, 2, 1, 3], np.int32)), merged, True)
    attended = _linear(layer.attention_output, _input(layer.attention_output, mixed, int8))
    hidden = _norm(layer.attention_norm, encoder, op.add(hidden, attended))
    wide = op.gelu(_linear(layer.intermediate, _input(layer.intermediate, hidden, int8)), "erf")
    narrow = _linear(layer.output, _input(layer.output, wide, int8))
    return _norm(layer.output_norm, encoder, op.add(hidden, narrow))


def _input(linear: Linear, value: ov.Node, int8: bool) -> ov.Node:
    value = op.multiply(value, _constant(1 / linear.smooth))
    if not int8 or linear.low == linear.high:
        return value
    low, high = np.float32(linear.low), np.float32(linear.high)
    return op.fake_quantize(value, low, high, low, high, _LEVELS)


def _linear(linear: Linear, value: ov.Node, factor: float = 1.0) -> ov.Node:
    scale = linear.scale[:, None] * np.float32(factor)
    matrix = op.multiply(op.convert(_constant(linear.values), "f32"), _constant(scale))
    return op.add(op.matmul(value, matrix, False, True), _constant(linear.bias * np.float32(factor)))


def _norm(norm: Norm, encoder: EncoderConfig, value: ov.Node) -> ov.Node:
    flat = op.mvn(value, np.array([-1], np.int32), True, encoder.norm_epsilon, "inside_sqrt")
    return op.add(op.multiply(flat, _constant(norm.gain)), _constant(norm.bias))


def _constant(array: NDArray[Any]) -> ov.Node:
    # The graph is only read, so it needs no copy of the weights.
    return op.constant(np.ascontiguousarray(array), shared_memory=True)
