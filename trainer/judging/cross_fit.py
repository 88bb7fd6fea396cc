"""Cross-fitting: the quality of calibration and thresholds on products that they were not set on."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hangtag.tags.decoding import Decoder, Logits
from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.tags.tag import facet_of
from hangtag.tags.thresholds import Calibration
from hangtag.text.kind import TextKind
from hangtag.trainer.data.examples import Example
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.calibration import calibration_error, fit_calibration
from hangtag.trainer.judging.decide import decide
from hangtag.trainer.judging.support import Circumstances, Group, supports
from hangtag.trainer.recipe.recipe import Recipe

FOLDS = 10


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


@dataclass(frozen=True, slots=True)
class Unseen:
    """The figures of every facet on unseen products, and of every group of tags by support.

    `groups` has the number of AUTO tags and of right ones among them. A tag's support is that among the products that
    its threshold was set on: a tag that only the unseen products have counts as a tag with none.
    """

    facets: dict[str, CrossFitted]
    groups: dict[Group, tuple[int, int]]


def cross_fitted(
    logits: Logits,
    products: Sequence[LabelledProduct],
    examples: Sequence[Example],
    schema: TagSchema,
    recipe: Recipe,
    circumstances: Circumstances | None = None,
    withheld: Collection[Group] = (),
) -> Unseen:
    """Evaluate each tenth of the shops with calibration and thresholds from the products of the other shops.

    Logits have the shape (products, tags). The other arguments are those of `decide`.
    """
    if circumstances is None:
        circumstances = Circumstances.of(products, schema)
    count = int(circumstances.shops.max()) + 1
    folds = shop_folds(circumstances.shops, min(FOLDS, max(2, count)), recipe.seed)
    targets = np.stack([example.targets for example in examples]) > 0
    groups: Counter[tuple[Group, bool]] = Counter()
    sums: dict[str, list[int]] = {facet.name: [0, 0, 0, 0] for facet in schema.facets}
    calibrated, plain = (_Confidences(np.empty(logits.shape), np.zeros(logits.shape, bool)) for _ in range(2))
    for fold in np.unique(folds):
        seen, rows = np.flatnonzero(folds != fold).tolist(), np.flatnonzero(folds == fold).tolist()
        fitted_on = [examples[row] for row in seen]
        calibration = fit_calibration(logits[seen], fitted_on, schema)
        decisions = decide(logits[seen], fitted_on, schema, calibration, recipe, circumstances.rows(seen), withheld)
        support = supports(targets[seen])
        decoder = Decoder.for_products(schema, calibration, decisions.thresholds)
        uncalibrated = Calibration(temperatures=dict.fromkeys(calibration.temperatures, 1.0))
        calibrated.put(rows, logits[rows], schema, decoder)
        plain.put(rows, logits[rows], schema, Decoder.for_products(schema, uncalibrated, decisions.thresholds))
        named = circumstances.named_by(rows, schema)
        decoded = decoder.decode(logits[rows], [TextKind.PRODUCT] * len(rows), named)
        for row, served in zip(rows, decoded, strict=True):
            tags = [scored.tag for scored in served.tags]
            _count(sums, products[row], tags)
            for tag in tags:
                if facet_of(tag) in products[row].facets:
                    groups[(facet_of(tag), support[schema.index[tag]]), tag in products[row].tags] += 1
    known = np.stack([example.known for example in examples]) > 0
    errors = {
        facet: [each.error(targets, known, where) for each in (calibrated, plain)]
        for facet, where in schema.slices.items()
    }
    facets = {
        name: CrossFitted(labelled, covered, tags, wrong, *errors[name])
        for name, (labelled, covered, tags, wrong) in sums.items()
        if labelled
    }
    served_groups = {group: (groups[group, True] + groups[group, False], groups[group, True]) for group, _ in groups}
    return Unseen(facets, served_groups)


def shop_folds(shops: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """The fold of each product, drawn so that a shop's products are together and folds are of similar size."""
    sizes = np.bincount(shops)
    order = np.random.default_rng(seed).permutation(len(sizes))
    # The largest shops first, each into the smallest fold so far.
    order = order[np.argsort(-sizes[order], kind="stable")]
    folds, filled = np.zeros(len(sizes), np.int64), np.zeros(count, np.int64)
    for shop in order:
        folds[shop] = filled.argmin()
        filled[folds[shop]] += sizes[shop]
    result: NDArray[np.int64] = folds[shops]
    return result


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
