"""Comparison of two bundles on the same labelled products: differences in F1 with bootstrap intervals."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, norm

from hangtag.tagger.tagger import Tagger
from hangtag.tags.schema import FacetKind
from hangtag.tags.tag import facet_of
from hangtag.tags.tagset import TagSet
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.evaluate import EvaluationError, logits_of, predicted_tags, served_tags

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
# The average, macro and per-tag F1 of one bundle.
F1s = tuple[Floats, Floats, Floats]

RESAMPLES = 1_000
# With fewer products of a tag, a loss cannot be distinguished from chance.
SUPPORT = 20
# Tags with fewer products are left out of the mean over shared tags: one product would move it by points.
SHARED_SUPPORT = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference in F1 points, candidate minus current, with its 95 % bootstrap interval `low` to `high`."""

    current: float
    candidate: float
    low: float
    high: float

    @property
    def points(self) -> float:
        """The difference."""
        return self.candidate - self.current


@dataclass(frozen=True, slots=True)
class TagDifference:
    """A tag's F1; `support` products have the tag, and `q` is the Benjamini-Hochberg-adjusted p-value of a loss.

    The p-value is the one-sided normal probability of the loss over its bootstrap standard error (Efron and Tibshirani
    1993, section 13.2; a share of the resamples could not be small enough for hundreds of tags), adjusted over all
    tested tags (Benjamini and Hochberg 1995). Tags with fewer than SUPPORT products are not tested; their `q` is 1.
    `q_of_difference` is the same for a difference in either direction.
    """

    tag: str
    f1: Difference
    support: int
    q: float
    q_of_difference: float = 1.0


@dataclass(frozen=True, slots=True)
class FacetDifference:
    """A facet that both bundles have, and that `products` products are labelled for.

    `f1` is weighted F1 for single and micro F1 for multi facets; `macro_f1` is the mean over tags with support.
    """

    facet: str
    products: int
    f1: Difference
    macro_f1: Difference
    tags: Sequence[TagDifference]


@dataclass(frozen=True, slots=True)
class _Figures:
    """The F1 of current and candidate, on the products and on every resample."""

    point: tuple[F1s, F1s]
    resampled: tuple[F1s, F1s]


@dataclass(frozen=True, slots=True)
class ServedTags:
    """The number of AUTO tags that a bundle serves for products labelled in a facet, and of those that are right."""

    tags: int
    right: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of two bundles.

    `facets` are those that both bundles have and products are labelled for. `shared` is the difference in mean F1 over
    the tags that both bundles have and at least SHARED_SUPPORT products have, on products without other tags: what the
    candidate forgot by learning more tags; None if there is no such tag. `served` are the candidate's AUTO tags of
    labelled products, by facet. `coverage` has, for each facet that both have, the shares of all products with an AUTO
    tag of it, for current and candidate.
    """

    facets: Sequence[FacetDifference]
    shared: Difference | None
    served: dict[str, ServedTags]
    coverage: dict[str, tuple[float, float]]


def compare(current: Tagger, candidate: Tagger, products: Sequence[LabelledProduct], seed: int = 7) -> Comparison:
    """Compare both bundles on the same resamples of the products, so that variation common to both cancels out.

    A paired bootstrap (Efron and Tibshirani 1993, chapter 16).

    Raises:
        EvaluationError: there is no product, or none is labelled for a facet that both bundles have.
    """
    if not products:
        msg = "there are no products to compare the bundles on"
        raise EvaluationError(msg)
    logits = logits_of(candidate, products)
    current_logits = logits_of(current, products)
    predictions = [predicted_tags(current, current_logits), predicted_tags(candidate, logits)]
    draws = np.random.default_rng(seed).multinomial(
        len(products), np.full(len(products), 1 / len(products)), size=RESAMPLES
    )
    facets, shared = [], []
    for facet in candidate.bundle.schema.facets:
        rows = np.array([facet.name in product.facets for product in products])
        if facet.name not in current.bundle.schema.slices or not rows.any():
            continue
        prefix = f"{facet.name}:"
        labels = {tag for product in products for tag in product.tags if tag.startswith(prefix)}
        tags = sorted(labels.union(facet.tags, current.bundle.schema.tags[current.bundle.schema.slices[facet.name]]))
        truth = _matrix([product.tags for product in products], tags)[rows]
        predicted = [
            _columns(tagger, each, tags)[rows] for tagger, each in zip((current, candidate), predictions, strict=True)
        ]
        facets.append(_facet(facet.name, facet.kind, tags, truth, predicted, draws[:, rows]))
        both = np.array([all(tag in each.bundle.schema.index for each in (current, candidate)) for tag in tags])
        old = ~truth[:, ~both].any(axis=1)
        carried = both & (truth[old].sum(axis=0) >= SHARED_SUPPORT)
        if carried.any():
            figures = _figures(facet.kind, truth[old], [each[old] for each in predicted], draws[:, rows][:, old])
            shared.append([[each[2][:, carried] for each in pair] for pair in (figures.point, figures.resampled)])
    if not facets:
        msg = "no product is labelled for a facet that both bundles have: add files with such labels"
        raise EvaluationError(msg)
    decoded = [served_tags(current, products, current_logits), served_tags(candidate, products, logits)]
    common = [facet.name for facet in candidate.bundle.schema.facets if facet.name in current.bundle.schema.slices]
    now, new = (_coverage(each, common) for each in decoded)
    return Comparison(
        _with_adjusted_p_values(facets),
        _shared(shared),
        served_of(candidate, decoded[1], products),
        {facet: (now[facet], new[facet]) for facet in common},
    )


def _shared(facets: Sequence[Sequence[Sequence[Floats]]]) -> Difference | None:
    if not facets:
        return None
    (now, new), (now_drawn, new_drawn) = (
        [np.concatenate([facet[kind][which] for facet in facets], axis=1).mean(axis=1) for which in (0, 1)]
        for kind in (0, 1)
    )
    return _difference(now, new, new_drawn - now_drawn)


def _figures(kind: FacetKind, truth: Flags, predicted: Sequence[Flags], draws: NDArray[np.int64]) -> _Figures:
    pairs = []
    for weights in (np.ones((1, len(truth)), np.int64), draws):
        support = weights.astype(np.float64) @ truth
        now, new = (_f1s(weights, truth, each, support, kind) for each in predicted)
        pairs.append((now, new))
    return _Figures(*pairs)


def _facet(
    name: str, kind: FacetKind, tags: Sequence[str], truth: Flags, predicted: Sequence[Flags], draws: NDArray[np.int64]
) -> FacetDifference:
    figures = _figures(kind, truth, predicted, draws)
    (now, new), (now_drawn, new_drawn) = figures.point, figures.resampled
    supports = truth.sum(axis=0)
    differences = []
    for at, tag in enumerate(tags):
        if supports[at]:
            drawn = new_drawn[2][:, at] - now_drawn[2][:, at]
            f1 = _difference(now[2][:, at], new[2][:, at], drawn)
            error = drawn.std()
            p_value = float(norm.cdf(f1.points / error)) if error else _without_variation(f1.points)
            differences.append(TagDifference(tag, f1, int(supports[at]), p_value))
    return FacetDifference(
        name,
        len(truth),
        _difference(now[0], new[0], new_drawn[0] - now_drawn[0]),
        _difference(now[1], new[1], new_drawn[1] - now_drawn[1]),
        differences,
    )


def _without_variation(points: float) -> float:
    """The p-value of a loss that is the same on every resample: none, or certain in one direction."""
    return 0.5 if points == 0 else float(points > 0)


def _f1s(
    weights: NDArray[np.int64], truth: Flags, predicted: Flags, support: Floats, kind: FacetKind
) -> tuple[Floats, Floats, Floats]:
    """Average, macro and per-tag F1 in points for each row of weights (how often each product counts)."""
    counts = weights.astype(np.float64)
    hits, positives = counts @ (truth & predicted), counts @ predicted
    each = np.divide(200 * hits, support + positives, out=np.zeros_like(hits), where=support + positives > 0)
    # Only tags with support, so that both bundles' averages are over the same tags.
    macro = each[:, truth.any(axis=0)].mean(axis=1)
    if kind is FacetKind.SINGLE:
        average = (each * support).sum(axis=1) / np.maximum(1, support.sum(axis=1))
    else:
        average = 200 * hits.sum(axis=1) / np.maximum(1, (support + positives).sum(axis=1))
    return average, macro, each


def _difference(current: Floats, candidate: Floats, drawn: Floats) -> Difference:
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Difference(float(current[0]), float(candidate[0]), float(low), float(high))


def _with_adjusted_p_values(facets: Sequence[FacetDifference]) -> list[FacetDifference]:
    tested = [each for facet in facets for each in facet.tags if each.support >= SUPPORT]
    losses = [each.q for each in tested]
    loss_of = _adjusted(tested, losses)
    difference_of = _adjusted(tested, [_two_sided(p) for p in losses])
    return [
        replace(
            facet,
            tags=[
                replace(each, q=loss_of.get(each.tag, 1.0), q_of_difference=difference_of.get(each.tag, 1.0))
                for each in facet.tags
            ],
        )
        for facet in facets
    ]


def _adjusted(tested: Sequence[TagDifference], p_values: Sequence[float]) -> dict[str, float]:
    adjusted = false_discovery_control(p_values) if tested else ()
    return dict(zip((each.tag for each in tested), map(float, adjusted), strict=True))


def _two_sided(p_of_loss: float) -> float:
    return min(1.0, 2 * min(p_of_loss, 1 - p_of_loss))


def _coverage(served: Sequence[TagSet], facets: Sequence[str]) -> dict[str, float]:
    counts = Counter(facet for tags in served for facet in {facet_of(scored.tag) for scored in tags.tags})
    return {facet: counts[facet] / len(served) for facet in facets}


def served_of(tagger: Tagger, served: Sequence[TagSet], products: Sequence[LabelledProduct]) -> dict[str, ServedTags]:
    """The AUTO tags of labelled products, by facet; `served` holds each product's tags."""
    sums = {facet.name: [0, 0] for facet in tagger.bundle.schema.facets}
    for product, tags in zip(products, served, strict=True):
        for scored in tags.tags:
            facet = facet_of(scored.tag)
            if facet in product.facets:
                sums[facet][0] += 1
                sums[facet][1] += scored.tag in product.tags
    return {facet: ServedTags(tags, right) for facet, (tags, right) in sums.items()}


def _matrix(sets: Sequence[frozenset[str]], tags: Sequence[str]) -> Flags:
    return np.array([[tag in each for tag in tags] for each in sets])


def _columns(tagger: Tagger, predicted: Flags, tags: Sequence[str]) -> Flags:
    """A bundle's predictions, with columns in the order of `tags`; a tag that the bundle lacks is never predicted."""
    index = tagger.bundle.schema.index
    result = np.zeros((len(predicted), len(tags)), bool)
    for at, tag in enumerate(tags):
        if tag in index:
            result[:, at] = predicted[:, index[tag]]
    return result
