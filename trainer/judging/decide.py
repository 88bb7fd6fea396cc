"""What turns scores into decisions, fitted on validation data: a temperature per facet, two thresholds per tag."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from hangtag.decoding import Decoder, Logits
from hangtag.schema import Facet, FacetKind, TagSchema
from hangtag.thresholds import Calibration, Cut, Thresholds
from trainer.data.examples import Example
from trainer.recipe import Recipe

# A tag is AUTO only if it is more likely than not, however well validation went; the same for REVIEW at lower stakes.
_AUTO_FLOOR = 0.5
_REVIEW_FLOOR = 0.2
# Below this many validation products that tell of a tag, the facet as a whole decides.
_ENOUGH = 30
_ENOUGH_POSITIVES = 10
_NEVER = 1.01
_TEMPERATURES = (0.2, 5.0)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def fit_calibration(logits: Logits, examples: Sequence[Example], schema: TagSchema) -> Calibration:
    """The temperature of each facet that minimises the log loss on labelled examples (Guo et al. 2017, section 4.2)."""
    targets, known = _labels(examples)
    temperatures = {}
    for facet in schema.facets:
        where = schema.slices[facet.name]
        rows = known[:, where].any(axis=1)
        temperatures[facet.name] = (
            round(_best_temperature(logits[rows, where], targets[rows, where], facet.kind), 4) if rows.any() else 1.0
        )
    return Calibration(temperatures=temperatures)


def fit_thresholds(
    logits: Logits, examples: Sequence[Example], schema: TagSchema, calibration: Calibration, recipe: Recipe
) -> Thresholds:
    """The cuts of every tag.

    Single facets: the lowest confidence from which on the facet's one tag is right as often as the recipe asks, for the
    tag alone where validation tells enough of it, else over the facet. Multi facets: AUTO from the confidence that
    maximises the tag's F1, REVIEW from half of it.
    """
    provisional = Thresholds(tags={tag: Cut(auto=1, review=1) for tag in schema.tags})
    decoder = Decoder(schema, calibration, provisional)
    log_confidences = decoder.log_confidences(logits)
    chosen = decoder.chosen(log_confidences)
    confidences = np.exp(log_confidences).astype(np.float64)
    targets, known = _labels(examples)
    cuts: dict[str, Cut] = {}
    for facet in schema.facets:
        rows = known[:, schema.slices[facet.name]].any(axis=1)
        if facet.kind is FacetKind.SINGLE:
            positions = chosen[facet.name][rows]
            each = np.arange(len(positions))
            cuts |= _single_cuts(
                facet, schema, positions, confidences[rows][each, positions], targets[rows][each, positions] > 0, recipe
            )
        else:
            cuts |= _multi_cuts(facet, schema, confidences[rows], targets[rows] > 0)
    return Thresholds(tags=cuts)


def _single_cuts(
    facet: Facet, schema: TagSchema, positions: NDArray[np.int64], confidences: Floats, right: Flags, recipe: Recipe
) -> dict[str, Cut]:
    def cut(rows: Flags) -> Cut:
        auto = max(_AUTO_FLOOR, _lowest_with_precision(confidences[rows], right[rows], recipe.auto_precision))
        review = max(_REVIEW_FLOOR, _lowest_with_precision(confidences[rows], right[rows], recipe.review_precision))
        return Cut(auto=round(auto, 4), review=round(min(auto, review), 4))

    whole = cut(np.ones(len(positions), bool))
    return {
        tag: cut(rows) if (rows := positions == schema.index[tag]).sum() >= _ENOUGH else whole for tag in facet.tags
    }


def _multi_cuts(facet: Facet, schema: TagSchema, confidences: Floats, targets: Flags) -> dict[str, Cut]:
    cuts = {}
    for tag in facet.tags:
        at = schema.index[tag]
        enough = targets[:, at].sum() >= _ENOUGH_POSITIVES
        auto = round(_best_f1_threshold(confidences[:, at], targets[:, at]) if enough else 0.5, 4)
        cuts[tag] = Cut(auto=auto, review=round(auto / 2, 4))
    return cuts


def _lowest_with_precision(confidences: Floats, right: Flags, precision: float) -> float:
    if not len(confidences):
        return _NEVER
    falling = np.argsort(-confidences, kind="stable")
    precisions = np.cumsum(right[falling]) / np.arange(1, len(falling) + 1)
    enough = np.flatnonzero((precisions >= precision) & _ends_of_ties(confidences[falling]))
    return float(confidences[falling[enough[-1]]]) if len(enough) else _NEVER


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


def _best_temperature(logits: Logits, targets: NDArray[np.float32], kind: FacetKind) -> float:
    def log_loss(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        if kind is FacetKind.SINGLE:
            shifted = scaled - scaled.max(axis=1, keepdims=True)
            log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
            return float(-(targets * log_p).sum() / len(logits))
        return float((np.logaddexp(0, scaled) - targets * scaled).mean())

    low, high = np.log(_TEMPERATURES)
    return float(np.exp(minimize_scalar(log_loss, bounds=(low, high), method="bounded").x))


def _labels(examples: Sequence[Example]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.stack([each.targets for each in examples]), np.stack([each.known for each in examples])
