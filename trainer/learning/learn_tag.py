"""A tag from a handful of examples: one more row of the head, everything else as it was."""

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

Floats = NDArray[np.float64]

FEWEST = 8
# Never AUTO: a handful of examples promises nothing.
_REVIEW_ONLY = TagThresholds(auto=1.01, review=0.5)
# L2 penalty on the row over vectors of unit variance, against the mean log loss.
_PENALTY = 0.02


class LearnTagError(ValueError):
    """The tag cannot be learnt; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class NewTag:
    """What is learnt: `facet:value`, and the tag above it where its facet has a parent.

    `is_guess`: told by a name and a sentence instead of products.
    """

    tag: str
    parent: str = ""
    is_guess: bool = False

    @property
    def facet(self) -> str:
        """Its facet's name."""
        return facet_of(self.tag)

    @property
    def value(self) -> str:
        """Its value."""
        return value_of(self.tag)


def learn_tag(
    bundle: Bundle, new: NewTag, examples: Sequence[ProductText], against: Sequence[ProductText], folder: Path
) -> Manifest:
    """Write a bundle that knows one tag more; the logits of all others stay what they are, bit for bit.

    The head gets a row, fitted by logistic regression on the frozen encoder's vectors of `examples` and of products
    that are none, `against`, both kinds with the same weight. In a single facet the row is fitted against what the
    other tags score. A facet that the bundle lacks becomes a multi facet of its own. The tag is only ever in REVIEW:
    thresholds with a promise need validation products.

    Raises:
        LearnTagError: the tag is there already, is none, lacks its parent, or there are too few texts.
        BundleError: `folder` holds something that is no bundle.
    """
    schema = _with_tag(bundle.schema, new)
    fewest = 1 if new.is_guess else FEWEST
    if len(set(examples)) < fewest or len(against) < FEWEST:
        msg = (
            f"{new.tag} needs {fewest} different examples and {FEWEST} products that are none; there are "
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
            lambda entry: Thresholds(tags={tag: entry.tags.get(tag, _REVIEW_ONLY) for tag in schema.tags})
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
        msg = f"the bundle knows {new.tag} already"
        raise LearnTagError(msg)
    known = {facet.name: facet for facet in schema.facets}
    facet = known.get(new.facet, Facet(name=new.facet, kind=FacetKind.MULTI, values=(new.value,)))
    above = schema.slices.get(facet.parent) if facet.parent else None
    if above is not None and new.parent not in schema.tags[above]:
        msg = f"{new.tag} stands under a tag of {facet.parent!r}: name it with --parent {facet.parent}:..."
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
    """What the head sees of each text, shape (texts, hidden), as the engine computes it: a head that passes it on."""
    hidden = bundle.manifest.encoder.hidden
    passed = Facet(name="vector", kind=FacetKind.MULTI, values=tuple(map(str, range(hidden))))
    weights = replace(
        bundle.weights,
        head_weight=np.eye(hidden, dtype=np.float32),
        head_bias=np.zeros(hidden, np.float32),
        wide=None,
    )
    return _logits(replace(bundle, schema=TagSchema(facets=(passed,)), weights=weights), texts).astype(np.float64)


def _row(vectors: Floats, offsets: Floats, fits: NDArray[np.bool_]) -> tuple[NDArray[np.float32], np.float32]:
    """Weight (hidden,) and bias of the row: logistic regression, offsets fixed, both kinds weighing the same."""
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
