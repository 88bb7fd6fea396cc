"""A bundle's version: the hash of what determines its answers."""

import hashlib
import json

from hangtag.bundle.encoder_config import EncoderConfig
from hangtag.bundle.scope import Scope
from hangtag.tags.schema import DESCRIPTIVE, TagSchema
from hangtag.tags.thresholds import KeyedCalibration, KeyedThresholds


def version_of(
    encoder: EncoderConfig,
    schema: TagSchema,
    thresholds: KeyedThresholds,
    calibration: KeyedCalibration,
    *,
    tokenizer_sha256: str,
    model_sha256: str,
    scope: Scope | None = None,
) -> str:
    """sha256, hex: equal for bundles that give equal answers by construction, whenever and however they were made.

    Schema, thresholds and calibration count by value, so layout and order of keys in their files do not matter; the
    tokenizer and the weights count by the bytes of their files. Fields of the schema that only describe (a label, a
    synonym) do not count.
    """
    content = {
        "encoder": encoder.model_dump(mode="json"),
        "schema": schema.model_dump(mode="json", exclude=set(DESCRIPTIVE)),
        "thresholds": thresholds.model_dump(mode="json"),
        "calibration": calibration.model_dump(mode="json"),
        "tokenizer": tokenizer_sha256,
        "model": model_sha256,
    }
    if scope is not None:  # a bundle without one keeps its version
        content["scope"] = scope.model_dump(mode="json")
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
