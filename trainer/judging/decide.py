"""The cuts between AUTO, REVIEW and REJECT, set on products that training has not seen."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hangtag.tags.decoding import Decoder, Logits
from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.tags.thresholds import Calibration, TagThresholds, Thresholds
from hangtag.trainer.data.examples import Example
from hangtag.trainer.judging.promise import Promise, fewest_products, promised_threshold
from hangtag.trainer.recipe.recipe import Recipe

# A tag is AUTO only if it is more likely than not, however well validation went; the same for REVIEW at lower stakes.
_AUTO_FLOOR = 0.5
_REVIEW_FLOOR = 0.2
# A tag told of this many times what a promise needs at least has a threshold of its own; others share one.
_ALONE = 4
# Below this many validation products that tell of a tag, the facet as a whole decides about REVIEW.
_ENOUGH = 30
_ENOUGH_POSITIVES = 10
NEVER = 1.01
# The threshold of a multi facet's tag that validation tells too little of.
_UNTOLD = 0.5

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
    `auto_precision`, for sure by `auto_confidence`; for the tag alone where the examples tell enough of it, else, in a
    single facet, for its other tags together. (In a multi facet mistakes of one product come together, and a bound that
    counts tags would take them for independent ones.) REVIEW: of single facets, the confidence from which on the told
    tag is right in `review_precision` of the examples; of multi facets, the ones that maximise the facet's micro F1
    and, at half the weight, macro F1. Where the examples tell nothing of a facet, the lowest that any may have.
    """
    decoder = Decoder.for_products(
        schema, calibration, Thresholds(tags={tag: TagThresholds(auto=1, review=1) for tag in schema.tags})
    )
    log_confidences = decoder.log_confidences(logits)
    confidences = np.exp(log_confidences).astype(np.float64)
    chosen = decoder.chosen(log_confidences)
    targets = np.stack([example.targets for example in examples]) > 0
    known = np.stack([example.known for example in examples]) > 0
    cuts: dict[str, TagThresholds] = {}
    promises: dict[str, Promise] = {}
    auto = np.zeros(confidences.shape, bool)
    for facet in schema.facets:
        told = np.zeros(confidences.shape, bool)
        if facet.kind is FacetKind.MULTI:
            told[:, [schema.index[tag] for tag in facet.tags if tag not in schema.blocked]] = True
        elif facet.name in chosen:
            told[np.arange(len(told)), chosen[facet.name]] = True
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
    is_single = facet.kind is FacetKind.SINGLE
    thresholds: dict[str, float] = {}
    for group in _groups(facet, schema, counts, fewest) if is_single else [[tag] for tag in facet.tags]:
        rows = candidates & np.isin(told.positions, [schema.index[tag] for tag in group])
        found = promised_threshold(
            told.confidences[rows], told.right[rows], recipe.auto_precision, recipe.auto_confidence
        )
        if found is not None:
            threshold, products, wrong = found
            thresholds |= dict.fromkeys(group, threshold)
            promises |= dict.fromkeys(group, Promise(products=products, wrong=wrong, pooled=len(group) > 1))
    return thresholds


def _groups(facet: Facet, schema: TagSchema, counts: NDArray[np.int64], fewest: int) -> list[list[str]]:
    """A facet's tags by who shares a promise: alone with `fewest` products, else with those of its parent, else all."""
    groups, rest = [], defaultdict(list)
    for tag in facet.tags:
        if counts[schema.index[tag]] >= fewest:
            groups.append([tag])
        else:
            rest[schema.parents.get(tag, ())].append(tag)
    left = []
    for tags in rest.values():
        if sum(counts[schema.index[tag]] for tag in tags) >= fewest:
            groups.append(tags)
        else:
            left += tags
    return [*groups, left]


def _cuts(
    facet: Facet, schema: TagSchema, told: _Told, thresholds: Mapping[str, float], recipe: Recipe
) -> dict[str, TagThresholds]:
    review = _single_review if facet.kind is FacetKind.SINGLE else _multi_review
    cuts = {}
    for tag, cut in review(facet, schema, told, recipe).items():
        auto = thresholds.get(tag, NEVER)
        cuts[tag] = TagThresholds(auto=auto, review=min(auto, round(cut, 4)))
    return cuts


def _single_review(facet: Facet, schema: TagSchema, told: _Told, recipe: Recipe) -> dict[str, float]:
    def lowest(rows: Flags) -> float:
        if not rows.any():
            return _REVIEW_FLOOR
        return max(
            _REVIEW_FLOOR, _lowest_with_precision(told.confidences[rows], told.right[rows], recipe.review_precision)
        )

    whole = lowest(np.ones(len(told.positions), bool))
    of_tag = {tag: told.positions == schema.index[tag] for tag in facet.tags}
    return {tag: lowest(rows) if rows.sum() >= _ENOUGH else whole for tag, rows in of_tag.items()}


def _multi_review(facet: Facet, schema: TagSchema, told: _Told, _: Recipe) -> dict[str, float]:
    """The thresholds that maximise the facet's micro F1 and, at half the weight, macro F1: one tag after the other."""
    ranked = {tag: _ranked(told, schema.index[tag]) for tag in facet.tags}
    enough = {tag: each for tag, each in ranked.items() if each[1].sum() >= _ENOUGH_POSITIVES}
    positives = sum(int(right.sum()) for _confidences, right in enough.values())
    count = {tag: int((confidences >= _UNTOLD).sum()) for tag, (confidences, _right) in enough.items()}
    hits = {tag: int(right[: count[tag]].sum()) for tag, (_confidences, right) in enough.items()}
    for tag in (*enough, *enough, *enough):
        confidences, right = enough[tag]
        others = sum(hits.values()) - hits[tag], sum(count.values()) - count[tag]
        told_of, found = np.arange(1, len(right) + 1), np.cumsum(right)
        micro = 2 * (others[0] + found) / (others[1] + told_of + positives)
        macro = 2 * found / (told_of + right.sum()) / len(enough)
        at = int(np.where(_ends_of_ties(confidences), micro + macro / 2, 0).argmax())
        count[tag], hits[tag] = at + 1, int(found[at])
    thresholds = dict.fromkeys(facet.tags, _UNTOLD)
    for tag, told_count in count.items():
        confidences = np.append(enough[tag][0], 0.0)
        thresholds[tag] = float(confidences[told_count - 1 : told_count + 1].mean())
    return thresholds


def _ranked(told: _Told, position: int) -> tuple[Floats, Flags]:
    rows = np.flatnonzero(told.positions == position)
    falling = rows[np.argsort(-told.confidences[rows], kind="stable")]
    return told.confidences[falling], told.right[falling]


def _lowest_with_precision(confidences: Floats, right: Flags, precision: float) -> float:
    falling = np.argsort(-confidences, kind="stable")
    precisions = np.cumsum(right[falling]) / np.arange(1, len(falling) + 1)
    enough = np.flatnonzero((precisions >= precision) & _ends_of_ties(confidences[falling]))
    return float(confidences[falling[enough[-1]]]) if len(enough) else NEVER


def _ends_of_ties(falling: Floats) -> Flags:
    # A threshold takes all of equal confidences or none.
    return np.append(falling[:-1] > falling[1:], [True])
