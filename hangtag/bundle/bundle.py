"""A bundle in memory."""

from dataclasses import dataclass

from hangtag.bundle.errors import BundleError
from hangtag.bundle.manifest import Manifest
from hangtag.bundle.weights import Weights
from hangtag.tags.schema import TagSchema
from hangtag.tags.thresholds import Calibration, Thresholds
from hangtag.text.tokens import ProductTokenizer


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything inference needs. Never changed after it is loaded, so threads may share it."""

    manifest: Manifest
    schema: TagSchema
    thresholds: Thresholds
    calibration: Calibration
    tokenizer: ProductTokenizer
    weights: Weights

    @property
    def version(self) -> str:
        """Hash of the whole content: 64 hex digits."""
        return self.manifest.version


def check_fit(schema: TagSchema, thresholds: Thresholds, calibration: Calibration) -> None:
    """See that the parts speak of the same tags and facets.

    Raises:
        BundleError: a tag lacks its cut, a facet its temperature, or one of them is about something else.
    """
    _same_names("thresholds.json", "tag", set(schema.tags), set(thresholds.tags))
    _same_names("calibration.json", "facet", {facet.name for facet in schema.facets}, set(calibration.temperatures))
    for facet, temperature in calibration.temperatures.items():
        if not 0 < temperature < float("inf"):
            msg = f"calibration.json: facet {facet!r} has temperature {temperature}; it must be above 0 and finite"
            raise BundleError(msg)


def _same_names(file: str, what: str, expected: set[str], found: set[str]) -> None:
    if missing := expected - found:
        msg = f"{file}: {len(missing)} {what}s of the schema are missing, first {min(missing)!r}"
        raise BundleError(msg)
    if extra := found - expected:
        msg = f"{file}: {len(extra)} {what}s are not in the schema, first {min(extra)!r}"
        raise BundleError(msg)
