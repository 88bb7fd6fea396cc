"""The thresholds between AUTO, REVIEW and REJECT, set on products that were not trained on."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hangtag.tags.decoding import Decoder, Logits
from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.tags.thresholds import Calibration, TagThresholds, Thresholds
from hangtag.trainer.data.examples import Example
from hangtag.trainer.judging.promise import Promise, min_products, promised_threshold
from hangtag.trainer.recipe.recipe import Recipe

# The lowest thresholds that are ever set: an AUTO tag is always more likely right than not.
_MIN_AUTO = 0.5
_MIN_REVIEW = 0.2
# A tag predicted for this multiple of the products that a promise needs has its own threshold; others share one.
_OWN_THRESHOLD = 4
# A tag predicted for fewer products than this shares the REVIEW threshold of its single facet.
_MIN_PREDICTIONS = 30
# A multi facet's tag with fewer positive products than this has the default REVIEW threshold.
_MIN_POSITIVES = 10
_DEFAULT_REVIEW = 0.5
# A threshold that no confidence reaches.
NEVER = 1.01

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Decisions:
    """Every tag's thresholds, and the promises behind the AUTO thresholds; a tag without a promise is never AUTO."""

    thresholds: Thresholds
    promises: dict[str, Promise]


@dataclass(frozen=True, slots=True)
class _Predictions:
    """A facet's predicted tags of the products labelled for it.

    One entry per product and tag, in arrays of shape (count,): the tag's position in the schema, its confidence,
    whether it is right, and whether it could be served because its parent is AUTO and its facet applies.
    """

    positions: NDArray[np.int64]
    confidences: Floats
    right: Flags
    servable: Flags


def decide(
    logits: Logits, examples: Sequence[Example], schema: TagSchema, calibration: Calibration, recipe: Recipe
) -> Decisions:
    """Set every tag's thresholds from logits of shape (examples, tags).

    AUTO: the lowest confidence, at least 0.5, from which served tags are right with a probability of at least
    `auto_precision`, at confidence level `auto_confidence`. The threshold is the tag's own if the examples suffice;
    otherwise, in a single facet, it is shared with other such tags of the facet. (In a multi facet the mistakes on one
    product are correlated, and a bound on pooled tags would assume them independent.) REVIEW, single facets: the
    confidence from which the predicted tag is right in `review_precision` of the examples, at least 0.2 (and 0.2 if
    there are no examples). REVIEW, multi facets: the thresholds that maximise micro F1 plus half of macro F1.
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
        predicted = np.zeros(confidences.shape, bool)
        if facet.kind is FacetKind.MULTI:
            predicted[:, [schema.index[tag] for tag in facet.tags if tag not in schema.blocked]] = True
        elif facet.name in chosen:
            predicted[np.arange(len(predicted)), chosen[facet.name]] = True
        servable = predicted & _supported(facet, schema, auto)
        rows, positions = np.nonzero(predicted & known)
        predictions = _Predictions(
            positions, confidences[rows, positions], targets[rows, positions], servable[rows, positions]
        )
        thresholds = _promised(facet, schema, predictions, recipe, promises)
        cuts |= _cuts(facet, schema, predictions, thresholds, recipe)
        auto |= servable & (confidences >= np.array([thresholds.get(tag, NEVER) for tag in schema.tags]))
    return Decisions(Thresholds(tags=cuts), promises)


def _supported(facet: Facet, schema: TagSchema, auto: Flags) -> Flags:
    """Whether each tag could be AUTO, given the AUTO tags of earlier facets; of shape (examples, tags)."""
    result = np.ones(auto.shape, bool)
    if facet.applies_when:
        result &= auto[:, [schema.index[tag] for tag in facet.applies_when]].any(axis=1, keepdims=True)
    if facet.parent:
        for tag in facet.tags:
            result[:, schema.index[tag]] &= auto[:, [schema.index[above] for above in schema.parents[tag]]].any(axis=1)
    return result


def _promised(
    facet: Facet, schema: TagSchema, predictions: _Predictions, recipe: Recipe, promises: dict[str, Promise]
) -> dict[str, float]:
    """The AUTO thresholds of the tags that a promise can be made for; their promises are added to `promises`."""
    candidates = predictions.servable & (predictions.confidences >= _MIN_AUTO)
    counts = np.bincount(predictions.positions[candidates], minlength=len(schema.tags))
    needed = _OWN_THRESHOLD * min_products(recipe.auto_precision, recipe.auto_confidence)
    is_single = facet.kind is FacetKind.SINGLE
    thresholds: dict[str, float] = {}
    for group in _groups(facet, schema, counts, needed) if is_single else [[tag] for tag in facet.tags]:
        rows = candidates & np.isin(predictions.positions, [schema.index[tag] for tag in group])
        found = promised_threshold(
            predictions.confidences[rows], predictions.right[rows], recipe.auto_precision, recipe.auto_confidence
        )
        if found is not None:
            threshold, products, wrong = found
            thresholds |= dict.fromkeys(group, threshold)
            promises |= dict.fromkeys(group, Promise(products=products, wrong=wrong, pooled=len(group) > 1))
    return thresholds


def _groups(facet: Facet, schema: TagSchema, counts: NDArray[np.int64], needed: int) -> list[list[str]]:
    """Group a facet's tags by shared threshold.

    A tag with `needed` products has its own; the others share one per parent if they have enough products together; all
    remaining tags share one.
    """
    groups, rest = [], defaultdict(list)
    for tag in facet.tags:
        if counts[schema.index[tag]] >= needed:
            groups.append([tag])
        else:
            rest[schema.parents.get(tag, ())].append(tag)
    left = []
    for tags in rest.values():
        if sum(counts[schema.index[tag]] for tag in tags) >= needed:
            groups.append(tags)
        else:
            left += tags
    return [*groups, left]


def _cuts(
    facet: Facet, schema: TagSchema, predictions: _Predictions, thresholds: Mapping[str, float], recipe: Recipe
) -> dict[str, TagThresholds]:
    review = _single_review if facet.kind is FacetKind.SINGLE else _multi_review
    cuts = {}
    for tag, threshold in review(facet, schema, predictions, recipe).items():
        auto = thresholds.get(tag, NEVER)
        cuts[tag] = TagThresholds(auto=auto, review=min(auto, round(threshold, 4)))
    return cuts


def _single_review(facet: Facet, schema: TagSchema, predictions: _Predictions, recipe: Recipe) -> dict[str, float]:
    def lowest(rows: Flags) -> float:
        if not rows.any():
            return _MIN_REVIEW
        return max(
            _MIN_REVIEW,
            _lowest_with_precision(predictions.confidences[rows], predictions.right[rows], recipe.review_precision),
        )

    shared = lowest(np.ones(len(predictions.positions), bool))
    of_tag = {tag: predictions.positions == schema.index[tag] for tag in facet.tags}
    return {tag: lowest(rows) if rows.sum() >= _MIN_PREDICTIONS else shared for tag, rows in of_tag.items()}


def _multi_review(facet: Facet, schema: TagSchema, predictions: _Predictions, _: Recipe) -> dict[str, float]:
    """The thresholds that maximise the facet's micro F1 plus half of macro F1, by three rounds of coordinate ascent."""
    ranked = {tag: _ranked(predictions, schema.index[tag]) for tag in facet.tags}
    enough = {tag: each for tag, each in ranked.items() if each[1].sum() >= _MIN_POSITIVES}
    positives = sum(int(right.sum()) for _confidences, right in enough.values())
    count = {tag: int((confidences >= _DEFAULT_REVIEW).sum()) for tag, (confidences, _right) in enough.items()}
    hits = {tag: int(right[: count[tag]].sum()) for tag, (_confidences, right) in enough.items()}
    for tag in (*enough, *enough, *enough):
        confidences, right = enough[tag]
        others = sum(hits.values()) - hits[tag], sum(count.values()) - count[tag]
        predicted, found = np.arange(1, len(right) + 1), np.cumsum(right)
        micro = 2 * (others[0] + found) / (others[1] + predicted + positives)
        macro = 2 * found / (predicted + right.sum()) / len(enough)
        at = int(np.where(_ends_of_ties(confidences), micro + macro / 2, 0).argmax())
        count[tag], hits[tag] = at + 1, int(found[at])
    thresholds = dict.fromkeys(facet.tags, _DEFAULT_REVIEW)
    for tag, kept in count.items():
        confidences = np.append(enough[tag][0], 0.0)
        thresholds[tag] = float(confidences[kept - 1 : kept + 1].mean())
    return thresholds


def _ranked(predictions: _Predictions, position: int) -> tuple[Floats, Flags]:
    """The confidences of one tag, falling, and whether each is right."""
    rows = np.flatnonzero(predictions.positions == position)
    falling = rows[np.argsort(-predictions.confidences[rows], kind="stable")]
    return predictions.confidences[falling], predictions.right[falling]


def _lowest_with_precision(confidences: Floats, right: Flags, precision: float) -> float:
    falling = np.argsort(-confidences, kind="stable")
    precisions = np.cumsum(right[falling]) / np.arange(1, len(falling) + 1)
    enough = np.flatnonzero((precisions >= precision) & _ends_of_ties(confidences[falling]))
    return float(confidences[falling[enough[-1]]]) if len(enough) else NEVER


def _ends_of_ties(falling: Floats) -> Flags:
    # Equal confidences are all on the same side of a threshold.
    return np.append(falling[:-1] > falling[1:], [True])
