"""The cuts between AUTO, REVIEW and REJECT, set on products that training has not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hangtag.decoding import Decoder, Logits
from hangtag.schema import Facet, FacetKind, TagSchema
from hangtag.thresholds import Calibration, Cut, Thresholds
from trainer.data.examples import Example
from trainer.judging.promise import Promise, fewest_products, promised_threshold
from trainer.recipe import Recipe

# A tag is AUTO only if it is more likely than not, however well validation went; the same for REVIEW at lower stakes.
_AUTO_FLOOR = 0.5
_REVIEW_FLOOR = 0.2
# A tag told of this many times what a promise needs at least has a threshold of its own; the others of its facet pool.
_ALONE = 2
# Below this many validation products that tell of a tag, the facet as a whole decides about REVIEW.
_ENOUGH = 30
_ENOUGH_POSITIVES = 10
NEVER = 1.01

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Decisions:
    """Every tag's cut, and the promises behind the AUTO thresholds; a tag without one is never AUTO."""

    thresholds: Thresholds
    promises: dict[str, Promise]


@dataclass(frozen=True, slots=True)
class _Told:
    """A facet's tags as they are told of products that are labelled for it.

    One entry per product and tag: the tag's position in the schema, its confidence, whether it is right, and whether it
    could be served: the tags above it are AUTO and its facet applies.
    """

    positions: NDArray[np.int64]
    confidences: Floats
    right: Flags
    servable: Flags


def decide(
    logits: Logits, examples: Sequence[Example], schema: TagSchema, calibration: Calibration, recipe: Recipe
) -> Decisions:
    """The cuts of every tag, from logits of shape (examples, tags).

    AUTO: the lowest confidence, at least 0.5, from which on a tag that is served is right with the probability
    `auto_precision`, for sure by `auto_confidence`; for the tag alone where the examples tell enough of it, else for
    the facet's other tags together. REVIEW: of single facets, the confidence from which on the told tag is right in
    `review_precision` of the examples; of multi facets, the one that maximises the tag's F1.
    """
    decoder = Decoder(schema, calibration, Thresholds(tags={tag: Cut(auto=1, review=1) for tag in schema.tags}))
    log_confidences = decoder.log_confidences(logits)
    confidences = np.exp(log_confidences).astype(np.float64)
    chosen = decoder.chosen(log_confidences)
    targets = np.stack([example.targets for example in examples]) > 0
    known = np.stack([example.known for example in examples]) > 0
    cuts: dict[str, Cut] = {}
    promises: dict[str, Promise] = {}
    auto = np.zeros(confidences.shape, bool)
    for facet in schema.facets:
        where = schema.slices[facet.name]
        if facet.kind is FacetKind.SINGLE:
            at = chosen[facet.name]
            told = np.zeros(confidences.shape, bool)
            told[np.arange(len(at)), at] = True
        else:
            told = np.zeros(confidences.shape, bool)
            told[:, where] = True
        servable = told & _supported(facet, schema, auto)
        rows, positions = np.nonzero(told & known)
        here = _Told(positions, confidences[rows, positions], targets[rows, positions], servable[rows, positions])
        thresholds = _promised(facet, schema, here, recipe, promises)
        cuts |= _cuts(facet, schema, here, thresholds, recipe)
        auto |= servable & (confidences >= np.array([thresholds.get(tag, NEVER) for tag in schema.tags]))
    return Decisions(Thresholds(tags=cuts), promises)


def _supported(facet: Facet, schema: TagSchema, auto: Flags) -> Flags:
    """Where a tag of the facet could be AUTO by what is AUTO above it; of shape (examples, tags)."""
    result = np.ones(auto.shape, bool)
    if facet.applies_when:
        result &= auto[:, [schema.index[tag] for tag in facet.applies_when]].any(axis=1, keepdims=True)
    if facet.parent:
        for tag in facet.tags:
            result[:, schema.index[tag]] &= auto[:, [schema.index[above] for above in schema.parents[tag]]].any(axis=1)
    return result


def _promised(
    facet: Facet, schema: TagSchema, told: _Told, recipe: Recipe, promises: dict[str, Promise]
) -> dict[str, float]:
    """The AUTO thresholds of the tags that can be promised; their promises are added to `promises`."""
    candidates = told.servable & (told.confidences >= _AUTO_FLOOR)
    counts = np.bincount(told.positions[candidates], minlength=len(schema.tags))
    fewest = _ALONE * fewest_products(recipe.auto_precision, recipe.auto_confidence)
    alone = [tag for tag in facet.tags if counts[schema.index[tag]] >= fewest]
    groups = [[tag] for tag in alone] + [[tag for tag in facet.tags if tag not in set(alone)]]
    thresholds: dict[str, float] = {}
    for group in groups:
        rows = candidates & np.isin(told.positions, [schema.index[tag] for tag in group])
        found = promised_threshold(
            told.confidences[rows], told.right[rows], recipe.auto_precision, recipe.auto_confidence
        )
        if found is not None:
            threshold, products, wrong = found
            thresholds |= dict.fromkeys(group, _up(threshold))
            promises |= dict.fromkeys(group, Promise(products=products, wrong=wrong, pooled=len(group) > 1))
    return thresholds


def _up(threshold: float) -> float:
    """Four digits, never below the threshold by more than the rounding of a confidence to float32."""
    return round(threshold, 4) if round(threshold, 4) >= threshold else round(threshold + 5e-5, 4)


def _cuts(
    facet: Facet, schema: TagSchema, told: _Told, thresholds: Mapping[str, float], recipe: Recipe
) -> dict[str, Cut]:
    def review(rows: Flags) -> float:
        return max(
            _REVIEW_FLOOR, _lowest_with_precision(told.confidences[rows], told.right[rows], recipe.review_precision)
        )

    whole = review(np.ones(len(told.positions), bool)) if facet.kind is FacetKind.SINGLE else 0.5
    cuts = {}
    for tag in facet.tags:
        rows = told.positions == schema.index[tag]
        cut = whole
        if facet.kind is FacetKind.SINGLE and rows.sum() >= _ENOUGH:
            cut = review(rows)
        elif facet.kind is FacetKind.MULTI and told.right[rows].sum() >= _ENOUGH_POSITIVES:
            cut = _best_f1_threshold(told.confidences[rows], told.right[rows])
        auto = thresholds.get(tag, NEVER)
        cuts[tag] = Cut(auto=auto, review=min(auto, round(cut, 4)))
    return cuts


def _lowest_with_precision(confidences: Floats, right: Flags, precision: float) -> float:
    if not len(confidences):
        return NEVER
    falling = np.argsort(-confidences, kind="stable")
    precisions = np.cumsum(right[falling]) / np.arange(1, len(falling) + 1)
    enough = np.flatnonzero((precisions >= precision) & _ends_of_ties(confidences[falling]))
    return float(confidences[falling[enough[-1]]]) if len(enough) else NEVER


def _best_f1_threshold(confidences: Floats, targets: Flags) -> float:
    falling = np.argsort(-confidences, kind="stable")
    found = np.cumsum(targets[falling])
    f1 = 2 * found / (np.arange(1, len(falling) + 1) + targets.sum())
    best = int((f1 * _ends_of_ties(confidences[falling])).argmax())
    below = confidences[falling[best + 1]] if best + 1 < len(falling) else 0.0
    return float((confidences[falling[best]] + below) / 2)


def _ends_of_ties(falling: Floats) -> Flags:
    # A threshold takes all of equal confidences or none.
    return np.append(falling[:-1] > falling[1:], [True])
