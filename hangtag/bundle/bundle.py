"""A bundle in memory."""

from dataclasses import dataclass, replace

import numpy as np

from hangtag.bundle.errors import BundleError
from hangtag.bundle.manifest import Manifest
from hangtag.bundle.scope import Scope
from hangtag.bundle.weights import Weights
from hangtag.tags.keyed import ScoringPath
from hangtag.tags.schema import TagSchema
from hangtag.tags.thresholds import KeyedCalibration, KeyedThresholds
from hangtag.text.kind import TextKind
from hangtag.text.tokens import ProductTokenizer


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything inference needs. Immutable, so threads may share it."""

    manifest: Manifest
    schema: TagSchema
    thresholds: KeyedThresholds
    calibration: KeyedCalibration
    tokenizer: ProductTokenizer
    weights: Weights
    scope: Scope | None = None

    @property
    def engine_weights(self) -> Weights:
        """The weights that engines compute with: those of the tags, then, if there is one, the scope's row."""
        if self.scope is None:
            return self.weights
        row = np.array([self.scope.weight], np.float32)
        return replace(
            self.weights,
            head_weight=np.concatenate([self.weights.head_weight, row]),
            head_bias=np.append(self.weights.head_bias, np.float32(self.scope.bias)),
        )

    @property
    def version(self) -> str:
        """Hash of what determines the answers: 64 hex digits."""
        return self.manifest.version


def check_fit(schema: TagSchema, thresholds: KeyedThresholds, calibration: KeyedCalibration) -> None:
    """Check that the parts fit each other.

    Raises:
        BundleError: a tag has no thresholds, a facet has no valid temperature, there is an entry for an unknown tag or
            facet, or thresholds and calibration have different keys.
    """
    if thresholds.keys != calibration.keys:
        # Thresholds hold for the confidences that they were set on.
        found = _named(thresholds.keys), _named(calibration.keys)
        msg = f"thresholds.json has entries for {found[0]}, calibration.json for {found[1]}; they must be the same"
        raise BundleError(msg)
    facets = {facet.name for facet in schema.facets}
    for key in thresholds.keys:
        _check_names(f"thresholds.json, {_named([key])}", "tag", set(schema.tags), set(thresholds.entry(*key).tags))
        temperatures = calibration.entry(*key).temperatures
        _check_names(f"calibration.json, {_named([key])}", "facet", facets, set(temperatures))
        for facet, temperature in temperatures.items():
            if not 0 < temperature < float("inf"):
                msg = f"calibration.json: facet {facet!r} has temperature {temperature}; it must be above 0 and finite"
                raise BundleError(msg)


def _named(keys: list[tuple[TextKind, ScoringPath]]) -> str:
    return ", ".join(f"{kind.value}/{path.value}" for kind, path in keys)


def _check_names(where: str, what: str, expected: set[str], found: set[str]) -> None:
    if missing := expected - found:
        msg = f"{where}: {len(missing)} {what}s of the schema are missing, the first is {min(missing)!r}"
        raise BundleError(msg)
    if extra := found - expected:
        msg = f"{where}: {len(extra)} {what}s are not in the schema, the first is {min(extra)!r}"
        raise BundleError(msg)
