"""What calibration and thresholds do for products that they were not set on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hangtag.decoding import Decoder, Logits
from hangtag.schema import TagSchema
from trainer.data.examples import Example
from trainer.data.labelled import LabelledProduct
from trainer.judging.calibration import calibration_error, fit_calibration
from trainer.judging.decide import decide
from trainer.recipe import Recipe

_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Served:
    """One facet: labelled `products`, AUTO tags told of them, how many of these are wrong, and calibration errors.

    `calibration_error` is that of the confidences of tags, `uncalibrated_error` that at temperature 1.
    """

    products: int
    covered: int
    tags: int
    wrong: int
    calibration_error: float
    uncalibrated_error: float

    @property
    def coverage(self) -> float:
        """The share of labelled products that are served an AUTO tag."""
        return self.covered / self.products

    @property
    def precision(self) -> float:
        """The share of AUTO tags that are right."""
        return 1 - self.wrong / self.tags if self.tags else 1.0


def cross_fitted(
    logits: Logits, products: Sequence[LabelledProduct], examples: Sequence[Example], schema: TagSchema, recipe: Recipe
) -> dict[str, Served]:
    """Each fifth of the products is served by what the other four fifths decide; logits of shape (products, tags)."""
    folds = np.random.default_rng(recipe.seed).permutation(len(products)) % min(_FOLDS, len(products))
    sums: dict[str, list[int]] = {facet.name: [0, 0, 0, 0] for facet in schema.facets}
    confidences, plain = np.empty_like(logits), np.empty_like(logits)
    for fold in range(folds.max() + 1):
        seen, rows = np.flatnonzero(folds != fold).tolist(), np.flatnonzero(folds == fold).tolist()
        fitted_on = [examples[row] for row in seen]
        calibration = fit_calibration(logits[seen], fitted_on, schema)
        decisions = decide(logits[seen], fitted_on, schema, calibration, recipe)
        decoder = Decoder(schema, calibration, decisions.thresholds)
        unscaled = Decoder(
            schema,
            calibration.model_copy(update={"temperatures": dict.fromkeys(calibration.temperatures, 1.0)}),
            decisions.thresholds,
        )
        confidences[rows] = np.exp(decoder.log_confidences(logits[rows]))
        plain[rows] = np.exp(unscaled.log_confidences(logits[rows]))
        for row, served in zip(rows, decoder.decode(logits[rows]), strict=True):
            _count(sums, products[row], [scored.tag for scored in served.tags])
    return {
        name: Served(products, covered, tags, wrong, *_errors(confidences, plain, examples, schema, name))
        for name, (products, covered, tags, wrong) in sums.items()
        if products
    }


def _count(sums: dict[str, list[int]], product: LabelledProduct, told: Sequence[str]) -> None:
    for facet in product.facets & sums.keys():
        tags = [tag for tag in told if tag.startswith(f"{facet}:")]
        wrong = sum(tag not in product.tags for tag in tags)
        for place, more in enumerate((1, bool(tags), len(tags), wrong)):
            sums[facet][place] += more


def _errors(
    confidences: Logits, plain: Logits, examples: Sequence[Example], schema: TagSchema, facet: str
) -> tuple[float, float]:
    where = schema.slices[facet]
    targets = np.stack([example.targets[where] for example in examples]) > 0
    known = np.stack([example.known[where] for example in examples]) > 0
    each = confidences[:, where].astype(np.float64), plain[:, where].astype(np.float64)
    calibrated, uncalibrated = (calibration_error(values[known], targets[known]) for values in each)
    return calibrated, uncalibrated
