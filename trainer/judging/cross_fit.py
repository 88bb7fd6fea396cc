"""Cross-fitting: the quality of calibration and thresholds on products that they were not set on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hangtag.tags.decoding import Decoder, Logits
from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.tags.thresholds import Calibration
from hangtag.text.kind import TextKind
from hangtag.trainer.data.examples import Example
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.calibration import calibration_error, fit_calibration
from hangtag.trainer.judging.decide import decide
from hangtag.trainer.recipe.recipe import Recipe

_FOLDS = 5


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """One facet's figures on unseen products.

    Of the `products` labelled for the facet, `covered` have an AUTO tag; `tags` is the number of their AUTO tags, of
    which `wrong` are wrong. `calibration_error` covers the predicted tags of a single facet and all tags of a multi
    facet; `uncalibrated_error` is the same at temperature 1.
    """

    products: int
    covered: int
    tags: int
    wrong: int
    calibration_error: float
    uncalibrated_error: float

    @property
    def coverage(self) -> float:
        """The share of labelled products with an AUTO tag."""
        return self.covered / self.products

    @property
    def precision(self) -> float | None:
        """The share of AUTO tags that are right; None if there are none."""
        return 1 - self.wrong / self.tags if self.tags else None


def cross_fitted(
    logits: Logits, products: Sequence[LabelledProduct], examples: Sequence[Example], schema: TagSchema, recipe: Recipe
) -> dict[str, CrossFitted]:
    """Evaluate each fifth of the products with calibration and thresholds from the other four fifths.

    Logits have the shape (products, tags).
    """
    folds = np.random.default_rng(recipe.seed).permutation(len(products)) % min(_FOLDS, len(products))
    sums: dict[str, list[int]] = {facet.name: [0, 0, 0, 0] for facet in schema.facets}
    calibrated, plain = (_Confidences(np.empty(logits.shape), np.zeros(logits.shape, bool)) for _ in range(2))
    for fold in range(folds.max() + 1):
        seen, rows = np.flatnonzero(folds != fold).tolist(), np.flatnonzero(folds == fold).tolist()
        fitted_on = [examples[row] for row in seen]
        calibration = fit_calibration(logits[seen], fitted_on, schema)
        decisions = decide(logits[seen], fitted_on, schema, calibration, recipe)
        decoder = Decoder.for_products(schema, calibration, decisions.thresholds)
        uncalibrated = Calibration(temperatures=dict.fromkeys(calibration.temperatures, 1.0))
        calibrated.put(rows, logits[rows], schema, decoder)
        plain.put(rows, logits[rows], schema, Decoder.for_products(schema, uncalibrated, decisions.thresholds))
        for row, served in zip(rows, decoder.decode(logits[rows], [TextKind.PRODUCT] * len(rows)), strict=True):
            _count(sums, products[row], [scored.tag for scored in served.tags])
    targets = np.stack([example.targets for example in examples]) > 0
    known = np.stack([example.known for example in examples]) > 0
    errors = {
        facet: [each.error(targets, known, where) for each in (calibrated, plain)]
        for facet, where in schema.slices.items()
    }
    return {
        name: CrossFitted(products, covered, tags, wrong, *errors[name])
        for name, (products, covered, tags, wrong) in sums.items()
        if products
    }


@dataclass(frozen=True, slots=True)
class _Confidences:
    """Confidences, and which of them count: a single facet's predicted tag, all tags of a multi facet.

    Both arrays have the shape (products, tags).
    """

    confidences: NDArray[np.float64]
    counted: NDArray[np.bool_]

    def put(self, rows: Sequence[int], logits: Logits, schema: TagSchema, decoder: Decoder) -> None:
        log_confidences = decoder.log_confidences(logits)
        self.confidences[rows] = np.exp(log_confidences)
        for positions in decoder.chosen(log_confidences).values():
            self.counted[rows, positions] = True
        for facet in schema.facets:
            if facet.kind is FacetKind.MULTI:
                self.counted[rows, schema.slices[facet.name]] = True

    def error(self, targets: NDArray[np.bool_], known: NDArray[np.bool_], where: slice) -> float:
        here = (self.counted & known)[:, where]
        return calibration_error(self.confidences[:, where][here], targets[:, where][here])


def _count(sums: dict[str, list[int]], product: LabelledProduct, auto: Sequence[str]) -> None:
    for facet in product.facets & sums.keys():
        tags = [tag for tag in auto if tag.startswith(f"{facet}:")]
        wrong = sum(tag not in product.tags for tag in tags)
        for place, count in enumerate((1, bool(tags), len(tags), wrong)):
            sums[facet][place] += count
