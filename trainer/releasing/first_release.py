"""A first release: there is no bundle in use to compare with, so a bundle has to be good enough by itself."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hangtag.tagger.tagger import Tagger
from hangtag.tags.schema import FacetKind
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.evaluate import Evaluation, FacetScore, evaluate_logits, logits_of, served_tags
from hangtag.trainer.judging.known_labels import known_labels
from hangtag.trainer.releasing.compare import ServedTags, served_of
from hangtag.trainer.releasing.gate import Limits, broken_promises, too_large


@dataclass(frozen=True, slots=True)
class FirstVerdict:
    """The result: the bundle passes if `refused`, the list of reasons against it, is empty.

    `f1` has each facet's F1 in percent (weighted for single, micro for multi facets), `constant_f1` that of predicting
    the facet's most common label for every product, and `served` the AUTO tags of labelled products.
    """

    evaluation: Evaluation
    f1: dict[str, float]
    constant_f1: dict[str, float]
    served: dict[str, ServedTags]
    megabytes: float
    refused: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def check_first_release(
    candidate: Tagger,
    products: Sequence[LabelledProduct],
    megabytes: float,
    limits: Limits,
    on_stage: Callable[[str], None] = lambda _: None,
) -> FirstVerdict:
    """Tag the products and list every reason against the bundle; `megabytes` is the size of its folder.

    Raises:
        EvaluationError: no product is labelled for a facet of the bundle, or it knows none of the labels.
    """
    on_stage("Tagging the products")
    schema = candidate.bundle.schema
    logits = logits_of(candidate, products)
    evaluation = evaluate_logits(candidate, products, logits)
    known = known_labels(products, schema).products
    f1s, constant = {}, {}
    for facet in schema.facets:
        if facet.name in evaluation.facets:
            score = evaluation.facets[facet.name]
            f1s[facet.name] = 100 * (score.weighted_f1 if facet.kind is FacetKind.SINGLE else score.micro_f1)
            constant[facet.name] = 100 * _constant_f1(score, is_single=facet.kind is FacetKind.SINGLE)
    served = served_of(candidate, served_tags(candidate, products, logits), known)
    verdict = FirstVerdict(evaluation, f1s, constant, served, megabytes)
    for name, f1 in f1s.items():
        if f1 < limits.least_f1:
            verdict.refused.append(
                f"{name}: F1 {f1:.1f}, less than the {limits.least_f1:g} that a first release needs: add labelled "
                "products or correct labels (`hangtag data noise`), or set another limit with --min-f1"
            )
        elif f1 <= constant[name]:
            verdict.refused.append(
                f"{name}: F1 {f1:.1f}, but predicting its most common label for every product has "
                f"{constant[name]:.1f}: the model has learned nothing about it"
            )
    _check_promise(verdict, candidate)
    verdict.refused.extend(too_large(megabytes, limits))
    verdict.warnings.extend(
        f"{facet.name}: no product is labelled for it, so its quality was not measured"
        for facet in schema.facets
        if facet.name not in evaluation.facets
    )
    verdict.warnings.extend(evaluation.notes)
    return verdict


def _check_promise(verdict: FirstVerdict, candidate: Tagger) -> None:
    promised = candidate.bundle.manifest.metrics.get("promise", {}).get("precision")
    if promised is None:
        verdict.warnings.append("its manifest does not promise a precision of AUTO tags")
    else:
        verdict.refused.extend(broken_promises(verdict.served, promised))
    if not any(each.tags for each in verdict.served.values()):
        verdict.warnings.append("no product has an AUTO tag: everything waits for a person's review")


def _constant_f1(score: FacetScore, *, is_single: bool) -> float:
    """The F1 of predicting the most common label for each of the facet's products."""
    most = max((tag.support for tag in score.tags.values()), default=0)
    if not most:
        return 0.0
    labels = sum(tag.support for tag in score.tags.values())
    # Weighted: the label's own F1 by its share of all labels. Micro: its hits among all predictions and labels.
    f1 = 2 * most / (most + score.support)
    return f1 * most / labels if is_single else 2 * most / (score.support + labels)
