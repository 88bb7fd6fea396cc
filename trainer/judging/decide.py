"""The thresholds between AUTO, REVIEW and REJECT, set on products that were not trained on."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hangtag.tags.decoding import Decoder, Logits
from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.tags.thresholds import Calibration, TagThresholds, Thresholds
from hangtag.trainer.data.examples import Example
from hangtag.trainer.judging.promise import Promise, min_products, promised_threshold
from hangtag.trainer.judging.support import Circumstances, Group, Support, in_other_shops, supports
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
class Evidence:
    """What a facet's AUTO thresholds were set on: the predicted tags that could be served, from a confidence of 0.5 on.

    One entry per product and tag, in arrays of shape (count,): the tag's position in the schema, its confidence, and
    whether it is right.
    """

    positions: NDArray[np.int64]
    confidences: Floats
    right: Flags


@dataclass(frozen=True, slots=True)
class Decisions:
    """Every tag's thresholds, and the promises behind the AUTO thresholds; a tag without a promise is never AUTO.

    `evidence` holds what they were set on, by facet.
    """

    thresholds: Thresholds
    promises: dict[str, Promise]
    evidence: dict[str, Evidence]


@dataclass(frozen=True, slots=True)
class _Predictions:
    """A facet's predicted tags of the products labelled for it.

    One entry per product and tag, in arrays of shape (count,): the tag's position in the schema, its confidence,
    whether it is right, whether it could be served because its parent is AUTO, its facet applies and the text has a
    word for it where it needs one, and how many products of other shops have the tag.
    """

    positions: NDArray[np.int64]
    confidences: Floats
    right: Flags
    servable: Flags
    elsewhere: NDArray[np.int64]


def decide(
    logits: Logits,
    examples: Sequence[Example],
    schema: TagSchema,
    calibration: Calibration,
    recipe: Recipe,
    circumstances: Circumstances | None = None,
    withheld: Collection[Group] = (),
) -> Decisions:
    """Set every tag's thresholds from logits of shape (examples, tags).

    Without `circumstances`, every example is a shop of its own and no tag needs a word in the text. Tags of the
    `withheld` groups are never AUTO.

    AUTO: the lowest confidence, at least 0.5, from which served tags are right with a probability of at least
    `auto_precision`, at confidence level `auto_confidence`. The threshold is the tag's own if the examples suffice;
    otherwise, in a single facet, it is shared with other such tags of the facet that have similarly many examples. (In
    a multi facet the mistakes on one product are correlated, and a bound on pooled tags would assume them independent.)
    The tags with 1 to 9 examples, and those with none, each share a threshold that is set on the predictions of tags
    with so few examples in other shops. REVIEW, single facets: the confidence from which the predicted tag is right in
    `review_precision` of the examples, at least 0.2 (and 0.2 if there are no examples). REVIEW, multi facets: the
    thresholds that maximise micro F1 plus half of macro F1.
    """
    decoder = Decoder.for_products(
        schema, calibration, Thresholds(tags={tag: TagThresholds(auto=1, review=1) for tag in schema.tags})
    )
    log_confidences = decoder.log_confidences(logits)
    confidences = np.exp(log_confidences).astype(np.float64)
    chosen = decoder.chosen(log_confidences)
    targets = np.stack([example.targets for example in examples]) > 0
    known = np.stack([example.known for example in examples]) > 0
    if circumstances is None:
        circumstances = Circumstances(np.arange(len(examples)), np.ones(targets.shape, bool), {})
    elsewhere, groups = in_other_shops(targets, circumstances.shops), supports(targets)
    cuts: dict[str, TagThresholds] = {}
    promises: dict[str, Promise] = {}
    evidence: dict[str, Evidence] = {}
    auto = np.zeros(confidences.shape, bool)
    for facet in schema.facets:
        predicted = np.zeros(confidences.shape, bool)
        if facet.kind is FacetKind.MULTI:
            predicted[:, [schema.index[tag] for tag in facet.tags if tag not in schema.blocked]] = True
        elif facet.name in chosen:
            predicted[np.arange(len(predicted)), chosen[facet.name]] = True
        servable = predicted & _supported(facet, schema, auto) & circumstances.named
        rows, positions = np.nonzero(predicted & known)
        predictions = _Predictions(
            positions,
            confidences[rows, positions],
            targets[rows, positions],
            servable[rows, positions],
            elsewhere[rows, positions],
        )
        seen = predictions.servable & (predictions.confidences >= _MIN_AUTO)
        evidence[facet.name] = Evidence(positions[seen], predictions.confidences[seen], predictions.right[seen])
        group_of = {tag: groups[schema.index[tag]] for tag in facet.tags}
        found = _promised(facet, schema, predictions, group_of, recipe)
        kept = {tag: each for tag, each in found.items() if (facet.name, group_of[tag]) not in withheld}
        thresholds = {tag: threshold for tag, (threshold, _) in kept.items()}
        promises |= {tag: promise for tag, (_, promise) in kept.items()}
        cuts |= _cuts(facet, schema, predictions, thresholds, recipe)
        auto |= servable & (confidences >= np.array([thresholds.get(tag, NEVER) for tag in schema.tags]))
    return Decisions(Thresholds(tags=cuts, words=circumstances.words), promises, evidence)


def products_for_own(recipe: Recipe) -> int:
    """For how many products a tag of a single facet must be predicted to have a threshold of its own."""
    return _OWN_THRESHOLD * min_products(recipe.auto_precision, recipe.auto_confidence)


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
    facet: Facet, schema: TagSchema, predictions: _Predictions, group_of: Mapping[str, Support], recipe: Recipe
) -> dict[str, tuple[float, Promise]]:
    """The AUTO threshold and the promise of each tag that a promise can be made for."""
    candidates = predictions.servable & (predictions.confidences >= _MIN_AUTO)
    counts = np.bincount(predictions.positions[candidates], minlength=len(schema.tags))
    needed = products_for_own(recipe)
    many = [tag for tag in facet.tags if group_of[tag] is Support.MANY]
    own = _pools(many, schema, counts, needed) if facet.kind is FacetKind.SINGLE else [[tag] for tag in many]
    pools = [(pool, np.isin(predictions.positions, [schema.index[tag] for tag in pool])) for pool in own]
    if facet.kind is FacetKind.SINGLE:
        # How good a tag with so few products is for a new shop is seen from all tags with so few in the other shops.
        seen = np.array([Support.of(int(count)) for count in predictions.elsewhere], object)
        pools += [
            ([tag for tag in facet.tags if group_of[tag] is support], seen == support)
            for support in (Support.FEW, Support.NONE)
        ]
    result: dict[str, tuple[float, Promise]] = {}
    for pool, is_evidence in pools:
        rows = candidates & is_evidence
        found = promised_threshold(
            predictions.confidences[rows], predictions.right[rows], recipe.auto_precision, recipe.auto_confidence
        )
        if found is not None:
            threshold, products, wrong = found
            promise = Promise(products=products, wrong=wrong, pooled=len(pool) > 1)
            result |= dict.fromkeys(pool, (threshold, promise))
    return result


def _pools(tags: Sequence[str], schema: TagSchema, counts: NDArray[np.int64], needed: int) -> list[list[str]]:
    """The tags of a single facet by shared threshold.

    A tag with `needed` products has its own; the others share one per parent if they have enough products together; all
    remaining tags share one.
    """
    pools, rest = [], defaultdict(list)
    for tag in tags:
        if counts[schema.index[tag]] >= needed:
            pools.append([tag])
        else:
            rest[schema.parents.get(tag, ())].append(tag)
    left = []
    for its_tags in rest.values():
        if sum(counts[schema.index[tag]] for tag in its_tags) >= needed:
            pools.append(its_tags)
        else:
            left += its_tags
    return [*pools, left]


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
