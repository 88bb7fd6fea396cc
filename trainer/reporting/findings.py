"""Findings for each facet: confidences and correctness, confused pairs of tags, the most confident mistakes."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hangtag.tags.schema import Facet, FacetKind
from hangtag.tags.thresholds import Band
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.calibration import calibration_error
from hangtag.trainer.judging.evaluate import FacetScore
from hangtag.trainer.reporting.gather import Gathered

_PAIRS = 12
_MISTAKES = 10
_MATRIX = 10


@dataclass(frozen=True, slots=True)
class Predictions:
    """A facet's predictions: one entry per labelled product (single facet) or per product and tag (multi facet).

    Arrays of shape (count,): the confidence, whether the tag is right, whether it is AUTO, whether it is AUTO or
    REVIEW (`shown`). `total` is the denominator of coverage: the labelled products (single) or their tags (multi).
    """

    confidences: NDArray[np.float64]
    right: NDArray[np.bool_]
    auto: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    total: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """For `count` products with the label `truth`, a share `share` of them, `predicted` was predicted."""

    truth: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Mistake:
    """A predicted tag that contradicts the product's labels."""

    product: LabelledProduct
    predicted: str
    confidence: float
    band: Band
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """One facet's findings.

    `auto`, `review` and `untagged` are the numbers of labelled products with an AUTO tag, with only REVIEW tags, and
    with neither. `pairs` are the most confused tags; `matrix` counts products by label (row) and predicted tag
    (column), among `matrix_tags`, the most confused tags. `trained` is the number of training products labelled for the
    facet, `trained_on` the number with each tag, `trained_none` the number labelled with no tag.
    """

    facet: Facet
    score: FacetScore
    predictions: Predictions
    calibration_error: float
    auto: int
    review: int
    untagged: int
    pairs: list[Confusion]
    matrix_tags: list[str]
    matrix: list[list[int]]
    mistakes: list[Mistake]
    trained_on: dict[str, int]
    trained: int
    trained_none: int

    @property
    def is_single(self) -> bool:
        """Whether exactly one tag fits."""
        return self.facet.kind is FacetKind.SINGLE

    @property
    def f1(self) -> float:
        """The facet's main figure: weighted F1 of a single, micro F1 of a multi facet."""
        return self.score.weighted_f1 if self.is_single else self.score.micro_f1

    @property
    def rare(self) -> int:
        """The number of tags with fewer than five training products."""
        return sum(self.trained_on[tag] < 5 for tag in self.facet.tags)  # noqa: PLR2004 (see the docstring)


def findings_of(gathered: Gathered) -> list[Findings]:
    """The findings of every facet that validation products are labelled for, in the schema's order."""
    products, train = gathered.validation, gathered.train
    facets = [facet for facet in gathered.bundle.schema.facets if facet.name in gathered.evaluation.facets]
    return [_findings(facet, gathered, products, train) for facet in facets]


def _findings(
    facet: Facet, gathered: Gathered, products: list[LabelledProduct], train: list[LabelledProduct]
) -> Findings:
    schema = gathered.bundle.schema
    labelled = [row for row, product in enumerate(products) if facet.name in product.facets]
    if facet.kind is FacetKind.SINGLE and facet.name not in gathered.chosen:  # all tags are blocked
        rows, positions = np.zeros(0, np.int64), np.zeros(0, np.int64)
    elif facet.kind is FacetKind.SINGLE:
        rows, positions = np.array(labelled), gathered.chosen[facet.name][labelled]
    else:
        rows = np.repeat(labelled, len(facet.tags))
        positions = np.tile([schema.index[tag] for tag in facet.tags], len(labelled))
    auto = [{scored.tag for scored in served.tags} for served in gathered.served]
    shown = [tags | {scored.tag for scored in s.review} for tags, s in zip(auto, gathered.served, strict=True)]
    entries = [(int(row), schema.tags[position]) for row, position in zip(rows, positions, strict=True)]
    predictions = Predictions(
        gathered.confidences[rows, positions].astype(np.float64),
        np.array([tag in products[row].tags for row, tag in entries], bool),
        np.array([tag in auto[row] for row, tag in entries], bool),
        np.array([tag in shown[row] for row, tag in entries], bool),
        len(labelled)
        if facet.kind is FacetKind.SINGLE
        else sum(len(_labels(products[row], facet)) for row in labelled),
    )
    with_auto = sum(not auto[row].isdisjoint(facet.tags) for row in labelled)
    with_any = sum(not shown[row].isdisjoint(facet.tags) for row in labelled)
    confusion = _confusion(facet, entries, products)
    pairs, matrix_tags = _pairs(confusion, gathered.evaluation.facets[facet.name])
    of_train = [product for product in train if facet.name in product.facets]
    return Findings(
        facet,
        gathered.evaluation.facets[facet.name],
        predictions,
        calibration_error(predictions.confidences, predictions.right),
        with_auto,
        with_any - with_auto,
        len(labelled) - with_any,
        pairs,
        matrix_tags,
        [[confusion[truth, tag] for tag in matrix_tags] for truth in matrix_tags],
        _mistakes(facet, entries, predictions, products),
        Counter(tag for product in of_train for tag in product.tags),
        len(of_train),
        sum(product.tags.isdisjoint(facet.tags) for product in of_train),
    )


def _labels(product: LabelledProduct, facet: Facet) -> tuple[str, ...]:
    return tuple(sorted(tag for tag in product.tags if tag.startswith(f"{facet.name}:")))


def _confusion(
    facet: Facet, entries: list[tuple[int, str]], products: list[LabelledProduct]
) -> Counter[tuple[str, str]]:
    if facet.kind is FacetKind.MULTI:
        return Counter()
    return Counter((truth, tag) for row, tag in entries for truth in _labels(products[row], facet))


def _pairs(confusion: Counter[tuple[str, str]], score: FacetScore) -> tuple[list[Confusion], list[str]]:
    wrong = sorted(
        ((count, truth, tag) for (truth, tag), count in confusion.items() if truth != tag),
        key=lambda each: (-each[0], each[1:]),
    )
    pairs = [Confusion(truth, tag, count, count / score.tags[truth].support) for count, truth, tag in wrong[:_PAIRS]]
    tags = list(dict.fromkeys(tag for pair in pairs for tag in (pair.truth, pair.predicted)))
    return pairs, sorted(tags[:_MATRIX])


def _mistakes(
    facet: Facet, entries: list[tuple[int, str]], predictions: Predictions, products: list[LabelledProduct]
) -> list[Mistake]:
    is_predicted = np.ones(len(entries), bool) if facet.kind is FacetKind.SINGLE else predictions.shown
    wrong = np.flatnonzero(~predictions.right & is_predicted)
    most_confident = wrong[np.argsort(-predictions.confidences[wrong], kind="stable")][:_MISTAKES]
    result = []
    for at in most_confident.tolist():
        row, tag = entries[at]
        band = Band.AUTO if predictions.auto[at] else Band.REVIEW if predictions.shown[at] else Band.REJECT
        labels = _labels(products[row], facet)
        result.append(Mistake(products[row], tag, float(predictions.confidences[at]), band, labels))
    return result
