"""What the vectors and scores of a bundle depend on, as hashes: bundles that share them can share what was computed."""

import json
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hangtag.bundle.bundle import Bundle
from hangtag.bundle.weight_file import tensors_of
from hangtag.text.kind import TextKind
from hangtag.text.wide import Wide

# Raised where vectors are made or read in another way.
_FORMAT = 1
_BYTES = 16
_HEAD = ("head_weight", "head_bias", "wide")


def bases_of(bundle: Bundle) -> dict[bytes, NDArray[np.int64]]:
    """The hashes of everything that scores of products depend on: of the bundle, and of those that it was learned from.

    Thresholds, temperatures, parents, rules and blocked tags are in none of them. With each hash the positions, in the
    bundle's schema, of the tags that were there. The bundle's own is the first; the others are of the bundles that had
    no learned tags yet, or fewer: of these tags the wide part knows nothing.
    """
    shared = _hash_of_encoder(bundle)
    kept = np.arange(len(bundle.schema.tags))
    found = {_hash_of_head(shared, bundle, kept): kept}
    for tag in reversed(_learned(bundle)):
        position = bundle.schema.index.get(tag)
        if position is None or _has_weights(bundle.weights.wide, position):
            break
        kept = kept[kept != position]
        found[_hash_of_head(shared, bundle, kept)] = kept
    return found


def reading_of(bundle: Bundle) -> bytes:
    """The hash of what the reading of a product depends on beside its text: which tags it names, and its language."""
    product, query = (bundle.thresholds.entry(kind) for kind in (TextKind.PRODUCT, TextKind.QUERY))
    facets = [(each.name, each.kind.value, each.parent, each.values) for each in bundle.schema.facets]
    content = [facets, product.words, product.languages, query.words]
    hashed = _begun(bundle.manifest.sections["tokenizer"].sha256, json.dumps(content, sort_keys=True))
    if bundle.weights.wide is not None:
        hashed.update(np.ascontiguousarray(bundle.weights.wide.hashes))
    digest: bytes = hashed.digest()
    return digest


def _hash_of_encoder(bundle: Bundle) -> Any:
    hashed = _begun(bundle.manifest.sections["tokenizer"].sha256, bundle.manifest.encoder.model_dump_json())
    for name, tensor in tensors_of(bundle.weights):
        if not name.startswith(_HEAD):
            hashed.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
            hashed.update(np.ascontiguousarray(tensor))
    return hashed


def _hash_of_head(shared: Any, bundle: Bundle, kept: NDArray[np.int64]) -> bytes:
    hashed, weights = shared.copy(), bundle.weights
    tags = [bundle.schema.tags[position] for position in kept.tolist()]
    strength = bundle.calibration.entry(TextKind.PRODUCT).wide_strength
    hashed.update(json.dumps([tags, strength]).encode())
    hashed.update(np.ascontiguousarray(weights.head_weight[kept]))
    hashed.update(np.ascontiguousarray(weights.head_bias[kept]))
    if weights.wide is not None:
        for part in _parts_of(weights.wide, kept):
            hashed.update(np.ascontiguousarray(part))
    digest: bytes = hashed.digest()
    return digest


def _parts_of(wide: Wide, kept: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
    """The arrays of a wide part, whatever bridges its gaps, with the positions that tags have among those that stay."""
    real = wide.values != 0
    yield from (wide.hashes, wide.idf, wide.scale, wide.values[real])
    yield np.searchsorted(kept, wide.tags[real]).astype(np.uint32)
    # How many real entries each n-gram has.
    ends = np.append(0, np.cumsum(real))[np.cumsum(wide.counts, dtype=np.int64)]
    yield ends.astype(np.uint32)


def _has_weights(wide: Wide | None, position: int) -> bool:
    return wide is not None and bool(((wide.tags == position) & (wide.values != 0)).any())


def _learned(bundle: Bundle) -> list[str]:
    found = bundle.manifest.metrics.get("learnt_tags")
    return list(found) if isinstance(found, dict) else []


def _begun(*parts: str) -> Any:
    return blake2b(json.dumps([_FORMAT, *parts]).encode(), digest_size=_BYTES)
