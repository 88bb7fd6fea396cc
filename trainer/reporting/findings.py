"""What stands out in a facet: confidences against truth, confused pairs, the surest mistakes."""

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
class Told:
    """A facet's tags as told: one entry per labelled product (single facet) or per product and tag (multi facet).

    Arrays of shape (count,): confidence, whether the tag is right, whether it is served as AUTO, as AUTO or REVIEW.
    `whole` is what coverage is a share of: the labelled products (single) or their tags (multi).
    """

    confidences: NDArray[np.float64]
    right: NDArray[np.bool_]
    auto: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    whole: int


@dataclass(frozen=True, slots=True)
class Pair:
    """`count` products of the tag `truth` were told `told`."""

    truth: str
    told: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Mistake:
    """A tag that was told of a product whose label says otherwise."""

    product: LabelledProduct
    told: str
    confidence: float
    band: Band
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """One facet. `matrix` counts products by true (row) and told tag (column) of `matrix_tags`, the most confused.

    `auto`, `review` and `silent` are labelled products with an AUTO tag, only REVIEW tags, none.
    `trained_on` is the number of training products of every tag, `trained_none` that of the products labelled "none".
    """

    facet: Facet
    score: FacetScore
    told: Told
    calibration_error: float
    auto: int
    review: int
    silent: int
    pairs: list[Pair]
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
        """The facet's figure: weighted F1 of a single, micro F1 of a multi facet."""
        return self.score.weighted_f1 if self.is_single else self.score.micro_f1

    @property
    def rare(self) -> int:
        """Tags with fewer than five training products."""
        return sum(self.trained_on[tag] < 5 for tag in self.facet.tags)  # noqa: PLR2004 (said in the docstring)


def findings_of(gathered: Gathered) -> list[Findings]:
    """Every facet that validation products are labelled for, in the schema's order."""
    products, train = gathered.validation, gathered.train
    facets = [facet for facet in gathered.bundle.schema.facets if facet.name in gathered.evaluation.facets]
    return [_findings(facet, gathered, products, train) for facet in facets]


def _findings(
    facet: Facet, gathered: Gathered, products: list[LabelledProduct], train: list[LabelledProduct]
) -> Findings:
    schema = gathered.bundle.schema
    labelled = [row for row, product in enumerate(products) if facet.name in product.facets]
    if facet.kind is FacetKind.SINGLE and facet.name not in gathered.chosen:  # blocked tags leave no path: told nothing
        rows, positions = np.zeros(0, np.int64), np.zeros(0, np.int64)
    elif facet.kind is FacetKind.SINGLE:
        rows, positions = np.array(labelled), gathered.chosen[facet.name][labelled]
    else:
        rows = np.repeat(labelled, len(facet.tags))
        positions = np.tile([schema.index[tag] for tag in facet.tags], len(labelled))
    auto = [{scored.tag for scored in served.tags} for served in gathered.served]
    shown = [told | {scored.tag for scored in s.review} for told, s in zip(auto, gathered.served, strict=True)]
    entries = [(int(row), schema.tags[position]) for row, position in zip(rows, positions, strict=True)]
    told = Told(
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
        told,
        calibration_error(told.confidences, told.right),
        with_auto,
        with_any - with_auto,
        len(labelled) - with_any,
        pairs,
        matrix_tags,
        [[confusion[truth, tag] for tag in matrix_tags] for truth in matrix_tags],
        _mistakes(facet, entries, told, products),
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


def _pairs(confusion: Counter[tuple[str, str]], score: FacetScore) -> tuple[list[Pair], list[str]]:
    wrong = sorted(
        ((count, truth, tag) for (truth, tag), count in confusion.items() if truth != tag),
        key=lambda each: (-each[0], each[1:]),
    )
    pairs = [Pair(truth, tag, count, count / score.tags[truth].support) for count, truth, tag in wrong[:_PAIRS]]
    tags = list(dict.fromkeys(tag for pair in pairs for tag in (pair.truth, pair.told)))
    return pairs, sorted(tags[:_MATRIX])


def _mistakes(
    facet: Facet, entries: list[tuple[int, str]], told: Told, products: list[LabelledProduct]
) -> list[Mistake]:
    is_told = np.ones(len(entries), bool) if facet.kind is FacetKind.SINGLE else told.shown
    wrong = np.flatnonzero(~told.right & is_told)
    surest = wrong[np.argsort(-told.confidences[wrong], kind="stable")][:_MISTAKES]
    result = []
    for at in surest.tolist():
        row, tag = entries[at]
        band = Band.AUTO if told.auto[at] else Band.REVIEW if told.shown[at] else Band.REJECT
        labels = _labels(products[row], facet)
        result.append(Mistake(products[row], tag, float(told.confidences[at]), band, labels))
    return result
