"""Learning a tag from a few examples: one more row of the head; everything else stays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from hangtag.bundle import Bundle, Manifest, write_bundle
from hangtag.engine import open_engine
from hangtag.tags.schema import TAG_PATTERN, Facet, FacetKind, TagSchema
from hangtag.tags.tag import facet_of, value_of
from hangtag.tags.thresholds import Calibration, TagThresholds, Thresholds
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.trainer.errors import TrainerError

Floats = NDArray[np.float64]

MIN_EXAMPLES = 8
# Never AUTO: a few examples are not enough for a promise.
_REVIEW_ONLY = TagThresholds(auto=1.01, review=0.5)
# The L2 penalty on the row, for vectors of unit variance, relative to the mean log loss.
_PENALTY = 0.02


class LearnTagError(TrainerError):
    """The tag cannot be learnt; the message says why."""


@dataclass(frozen=True, slots=True)
class NewTag:
    """The tag to learn: `facet:value`, and its parent tag if its facet has a parent.

    `is_guess`: the examples are the tag's name and a description instead of products.
    """

    tag: str
    parent: str = ""
    is_guess: bool = False

    @property
    def facet(self) -> str:
        """The facet's name."""
        return facet_of(self.tag)

    @property
    def value(self) -> str:
        """The tag's value."""
        return value_of(self.tag)


def learn_tag(
    bundle: Bundle, new: NewTag, examples: Sequence[ProductText], against: Sequence[ProductText], folder: Path
) -> Manifest:
    """Write a bundle with one more tag to `folder`; the logits of all other tags stay exactly the same.

    The head gets a row, fitted by logistic regression on the frozen encoder's vectors of `examples` and of `against`,
    texts that the tag does not fit, with the same total weight for both. In a single facet the row is fitted relative
    to the other tags' logits. A facet that the bundle lacks is added as a multi facet. The tag is only served in
    REVIEW, because a promise for AUTO needs validation products.

    Raises:
        LearnTagError: the tag exists already or is not valid, its parent is missing, or there are too few texts.
        BundleError: `folder` holds something other than a bundle.
    """
    schema = _with_tag(bundle.schema, new)
    needed = 1 if new.is_guess else MIN_EXAMPLES
    if len(set(examples)) < needed or len(against) < MIN_EXAMPLES:
        msg = (
            f"{new.tag} needs {needed} different examples and {MIN_EXAMPLES} products without the tag; there are "
            f"{len(set(examples))} and {len(against)}"
        )
        raise LearnTagError(msg)
    at, facet = schema.index[new.tag], schema.facets[[each.name for each in schema.facets].index(new.facet)]
    texts = [*examples, *against]
    offsets = np.zeros(len(texts))
    temperature = bundle.calibration.entry(TextKind.PRODUCT).temperatures.get(new.facet, 1.0)
    if facet.kind is FacetKind.SINGLE:
        others = _logits(bundle, texts)[:, bundle.schema.slices[new.facet]]
        offsets = -logsumexp(others.astype(np.float64) / temperature, axis=1)
    weight, bias = _row(_vectors(bundle, texts), offsets, np.arange(len(texts)) < len(examples))
    weights = bundle.weights
    manifest = bundle.manifest
    learnt = dict(manifest.metrics.get("learnt_tags", {}))
    learnt[new.tag] = {
        "from": manifest.version,
        "examples": len(examples),
        "how": "a guess from its name and a sentence" if new.is_guess else "examples",
    }
    return write_bundle(
        folder,
        name=manifest.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        base_model=manifest.base_model,
        data_fingerprint=manifest.data_fingerprint,
        recipe=manifest.recipe,
        metrics={**manifest.metrics, "learnt_tags": learnt},
        encoder=manifest.encoder,
        schema=schema,
        thresholds=bundle.thresholds.map(
            lambda entry: Thresholds(
                tags={tag: entry.tags.get(tag, _REVIEW_ONLY) for tag in schema.tags},
                words=entry.words,
                languages=entry.languages,
            )
        ),
        calibration=bundle.calibration.map(
            lambda entry: Calibration(temperatures={new.facet: temperature, **entry.temperatures})
        ),
        tokenizer=bundle.tokenizer,
        weights=replace(
            weights,
            head_weight=np.insert(weights.head_weight, at, weight * temperature, axis=0),
            head_bias=np.insert(weights.head_bias, at, bias * temperature),
            wide=weights.wide.with_tag_at(at) if weights.wide else None,
        ),
    )


def _with_tag(schema: TagSchema, new: NewTag) -> TagSchema:
    if not TAG_PATTERN.fullmatch(new.tag):
        msg = f"{new.tag!r} is not facet:value"
        raise LearnTagError(msg)
    if new.tag in schema.index:
        msg = f"the bundle already has {new.tag}"
        raise LearnTagError(msg)
    known = {facet.name: facet for facet in schema.facets}
    facet = known.get(new.facet, Facet(name=new.facet, kind=FacetKind.MULTI, values=(new.value,)))
    above = schema.slices.get(facet.parent) if facet.parent else None
    if above is not None and new.parent not in schema.tags[above]:
        msg = f"{new.tag} needs a parent tag in facet {facet.parent!r}: add --parent {facet.parent}:..."
        raise LearnTagError(msg)
    if new.parent and above is None:
        msg = f"facet {new.facet!r} has no parent: leave out --parent"
        raise LearnTagError(msg)
    if new.facet in known:
        facet = facet.model_copy(update={"values": (*facet.values, new.value)})
    facets = tuple(facet if each.name == new.facet else each for each in schema.facets)
    settings = schema.model_dump(exclude={"facets", "parents"})
    return TagSchema(
        facets=facets if new.facet in known else (*facets, facet),
        parents={**schema.parents, **({new.tag: (new.parent,)} if new.parent else {})},
        **settings,
    )


def _logits(bundle: Bundle, texts: Sequence[ProductText]) -> NDArray[np.float32]:
    engine = open_engine(bundle, "cpu")
    try:
        return engine.forward(bundle.tokenizer(texts))
    finally:
        engine.close()


def _vectors(bundle: Bundle, texts: Sequence[ProductText]) -> Floats:
    """The head's input for each text, of shape (texts, hidden): the engine's output with an identity matrix as head."""
    hidden = bundle.manifest.encoder.hidden
    identity = Facet(name="vector", kind=FacetKind.MULTI, values=tuple(map(str, range(hidden))))
    weights = replace(
        bundle.weights,
        head_weight=np.eye(hidden, dtype=np.float32),
        head_bias=np.zeros(hidden, np.float32),
        wide=None,
    )
    return _logits(replace(bundle, schema=TagSchema(facets=(identity,)), weights=weights), texts).astype(np.float64)


def _row(vectors: Floats, offsets: Floats, fits: NDArray[np.bool_]) -> tuple[NDArray[np.float32], np.float32]:
    """Fit the row's weight (hidden,) and bias by logistic regression with fixed offsets and balanced classes."""
    mean, scale = vectors.mean(axis=0), vectors.std(axis=0) + 1e-6
    inputs = (vectors - mean) / scale
    shares = np.where(fits, 0.5 / fits.sum(), 0.5 / (~fits).sum())
    signs = np.where(fits, 1.0, -1.0)

    def loss(row: Floats) -> tuple[float, Floats]:
        margins = signs * (inputs @ row[:-1] + row[-1] + offsets)
        slopes = -shares * signs * expit(-margins)
        value = shares @ np.logaddexp(0, -margins) + _PENALTY / 2 * row[:-1] @ row[:-1]
        return float(value), np.append(slopes @ inputs + _PENALTY * row[:-1], slopes.sum())

    row = minimize(loss, np.zeros(vectors.shape[1] + 1), jac=True, method="L-BFGS-B").x
    weight = row[:-1] / scale
    return weight.astype(np.float32), np.float32(row[-1] - weight @ mean)
