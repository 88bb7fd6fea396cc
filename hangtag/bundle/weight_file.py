"""`model.safetensors`: the names and shapes of its tensors."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from hangtag.bundle.encoder_config import EncoderConfig
from hangtag.bundle.errors import BundleError
from hangtag.bundle.weights import Layer, Linear, Norm, Table, Weights
from hangtag.text.wide import Wide

Tensors = dict[str, NDArray[Any]]


def weights_to_bytes(weights: Weights) -> bytes:
    """The content of a `model.safetensors`."""
    content: bytes = save({name: np.ascontiguousarray(tensor) for name, tensor in tensors_of(weights)})
    return content


def weights_from_bytes(content: bytes, encoder: EncoderConfig, tags: int) -> Weights:
    """Read a `model.safetensors` for this encoder and this number of tags.

    Raises:
        BundleError: it is not a safetensors file, or a tensor is missing, unknown, not finite or of another shape or
            type.
    """
    try:
        tensors: Tensors = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        msg = f"not a readable safetensors file: {error}"
        raise BundleError(msg) from error
    reader = _Reader(tensors)
    hidden = encoder.hidden
    weights = Weights(
        words=Table(reader.int8("words.values", encoder.vocab, hidden), reader.float("words.scale", encoder.vocab)),
        positions=reader.float("positions", encoder.positions, hidden),
        segments=reader.float("segments", encoder.segments, hidden),
        embedding_norm=reader.norm("embedding_norm", hidden),
        layers=tuple(_layer(reader, f"layers.{number}", encoder) for number in range(encoder.layers)),
        head_weight=reader.float("head_weight", tags, hidden),
        head_bias=reader.float("head_bias", tags),
        wide=reader.wide(tags) if reader.has("wide.hashes") else None,
    )
    if tensors:
        msg = f"holds {len(tensors)} tensors that no part of the model uses, the first is {min(tensors)!r}"
        raise BundleError(msg)
    return weights


def _layer(reader: "_Reader", name: str, encoder: EncoderConfig) -> Layer:
    hidden, wide = encoder.hidden, encoder.intermediate
    query, key, value = (reader.linear(f"{name}.{part}", hidden, hidden) for part in ("query", "key", "value"))
    for other in (key, value):
        if (query.low, query.high) != (other.low, other.high) or not np.array_equal(query.smooth, other.smooth):
            msg = f"{name!r}: query, key and value share their input, but differ in range or smoothing"
            raise BundleError(msg)
    return Layer(
        query=query,
        key=key,
        value=value,
        attention_output=reader.linear(f"{name}.attention_output", hidden, hidden),
        attention_norm=reader.norm(f"{name}.attention_norm", hidden),
        intermediate=reader.linear(f"{name}.intermediate", wide, hidden),
        output=reader.linear(f"{name}.output", hidden, wide),
        output_norm=reader.norm(f"{name}.output_norm", hidden),
    )


class _Reader:
    """Takes one tensor after another out of a file and checks it."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors

    def int8(self, name: str, *shape: int) -> NDArray[np.int8]:
        return self._take(name, np.dtype(np.int8), shape)

    def float(self, name: str, *shape: int) -> NDArray[np.float32]:
        tensor = self._take(name, np.dtype(np.float32), shape)
        if not np.isfinite(tensor).all():
            msg = f"tensor {name!r} holds a number that is not finite"
            raise BundleError(msg)
        return tensor

    def norm(self, name: str, hidden: int) -> Norm:
        return Norm(self.float(f"{name}.gain", hidden), self.float(f"{name}.bias", hidden))

    def linear(self, name: str, out: int, into: int) -> Linear:
        low, high = self.float(f"{name}.range", 2).tolist()
        smooth = self.float(f"{name}.smooth", into)
        if low > high or not (smooth > 0).all():
            msg = f"{name!r} has the range [{low}, {high}] and a smallest smoothing factor of {smooth.min()}"
            raise BundleError(msg)
        values, scale = self.int8(f"{name}.values", out, into), self.float(f"{name}.scale", out)
        return Linear(values, scale, self.float(f"{name}.bias", out), smooth, low, high)

    def has(self, name: str) -> bool:
        return name in self._tensors

    def wide(self, tags: int) -> Wide:
        ngrams = self._tensors["wide.hashes"].size
        hashes = self._take("wide.hashes", np.dtype(np.uint32), (ngrams,))
        counts = self._take("wide.counts", np.dtype(np.uint16), (ngrams,))
        entries = int(counts.sum(dtype=np.int64))
        gaps = self._take("wide.gaps", np.dtype(np.uint8), (entries,))
        idf, scale = (self._take(f"wide.{name}", np.dtype(np.float16), (ngrams,)) for name in ("idf", "scale"))
        if not (np.isfinite(idf).all() and np.isfinite(scale).all()):
            msg = "the wide part holds a number that is not finite"
            raise BundleError(msg)
        wide = Wide(hashes, idf, counts, scale, gaps, self._take("wide.values", np.dtype(np.int8), (entries,)))
        if (hashes[1:] <= hashes[:-1]).any() or (wide.tags >= tags).any():
            msg = f"the wide part's n-grams are out of order or refer to tags beyond the {tags} of the schema"
            raise BundleError(msg)
        return wide

    def _take(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        tensor = self._tensors.pop(name, None)
        if tensor is None:
            msg = f"tensor {name!r} is missing"
            raise BundleError(msg)
        if tensor.dtype != dtype or tensor.shape != shape:
            msg = f"tensor {name!r} is {tensor.dtype} {tensor.shape}, not {dtype} {shape} as manifest and schema say"
            raise BundleError(msg)
        return tensor


def tensors_of(part: Any, name: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """The tensors of weights, or of a part of them, with their names in the file."""
    if isinstance(part, np.ndarray):
        yield name, part
    elif part is None:
        return
    elif isinstance(part, tuple):
        for number, item in enumerate(part):
            yield from tensors_of(item, f"{name}.{number}")
    elif isinstance(part, Linear):
        for kind in ("values", "scale", "bias", "smooth"):
            yield f"{name}.{kind}", getattr(part, kind)
        yield f"{name}.range", np.array([part.low, part.high], np.float32)
    else:
        for field in fields(part):
            yield from tensors_of(getattr(part, field.name), f"{name}.{field.name}".lstrip("."))
