"""Finding the mistakes and doubts of a bundle among labelled products."""

from collections.abc import Iterator, Sequence

import numpy as np

from hangtag.tags.candidates import Candidates, candidates_of
from hangtag.tags.schema import Facet, FacetKind
from hangtag.tags.tag import facet_of
from hangtag.tags.tagset import ScoredTag, TagSet
from hangtag.tags.thresholds import Band
from hangtag.trainer.mistakes.case import Case, CaseKind
from hangtag.trainer.reporting.gather import Gathered
from hangtag.words.language import likeliest_language

_CANDIDATES = 5
_SEVERITY = {kind: at for at, kind in enumerate(CaseKind)}
# The smallest positive float32: its logarithm is finite.
_TINY = float(np.finfo(np.float32).tiny)


def cases_of(gathered: Gathered, candidates: Sequence[Candidates], sources: Sequence[str]) -> list[Case]:
    """Every mistake and doubt on the validation products, the gravest first, then by falling confidence.

    A facet is looked at where the product is labelled for it, unless a person has confirmed the label. `candidates`
    are those of `likeliest`, and `sources` names the files of each product.
    """
    found = list(_cases(gathered, candidates, sources))
    return sorted(found, key=lambda case: (_SEVERITY[case.kind], -case.confidence, case.row))


def is_right(gathered: Gathered, candidates: Sequence[Candidates]) -> dict[str, list[bool]]:
    """For each facet, whether each validation product's labels are exactly what is predicted."""
    found: dict[str, list[bool]] = {}
    for facet in gathered.bundle.schema.facets:
        flags = found[facet.name] = []
        for row, product in enumerate(gathered.validation):
            its = tuple(each for each in candidates[row] if facet_of(each.tag) == facet.name)
            predicted = _predicted(facet, its, gathered.served[row])
            flags.append({each.tag for each in predicted} == product.tags_of(facet.name))
    return found


def likeliest(gathered: Gathered) -> list[Candidates]:
    """The most likely tags of each facet for each validation product."""
    log_confidences = np.log(np.maximum(gathered.confidences, _TINY))
    return candidates_of(gathered.bundle.schema, log_confidences, gathered.served, _CANDIDATES)


def _cases(gathered: Gathered, candidates: Sequence[Candidates], sources: Sequence[str]) -> Iterator[Case]:
    facets = {facet.name: facet for facet in gathered.bundle.schema.facets}
    for row, product in enumerate(gathered.validation):
        language = None
        for facet in (facets[name] for name in facets if name in product.facets - product.confirmed):
            its_candidates = tuple(each for each in candidates[row] if facet_of(each.tag) == facet.name)
            labels = tuple(sorted(product.tags_of(facet.name)))
            predicted = _predicted(facet, its_candidates, gathered.served[row])
            kind = _kind(labels, predicted)
            if kind is None:
                continue
            if language is None:
                language = likeliest_language(f"{product.title} {product.description}")
            told = _telling(kind, labels, predicted) or its_candidates[:1]
            yield Case(
                kind=kind,
                facet=facet.name,
                row=row,
                product=product,
                labels=labels,
                predicted=tuple(each.tag for each in predicted),
                band=told[0].band if told else Band.REJECT,
                confidence=told[0].confidence if told else 0.0,
                candidates=its_candidates,
                source=sources[row],
                language=language,
            )


def _predicted(facet: Facet, candidates: Candidates, served: TagSet) -> tuple[ScoredTag, ...]:
    shown = tuple(each for each in (*served.tags, *served.review) if facet_of(each.tag) == facet.name)
    return shown[:1] or candidates[:1] if facet.kind is FacetKind.SINGLE else shown


def _kind(labels: Sequence[str], predicted: Sequence[ScoredTag]) -> CaseKind | None:
    wrong = [each for each in predicted if each.tag not in labels]
    if any(each.band is Band.AUTO for each in wrong):
        return CaseKind.WRONG_AUTO
    if wrong and (labels or any(each.band is Band.REVIEW for each in wrong)):
        return CaseKind.WRONG
    if set(labels) - {each.tag for each in predicted}:
        return CaseKind.MISSING
    return CaseKind.DOUBT if any(each.band is not Band.AUTO and each.tag in labels for each in predicted) else None


def _telling(kind: CaseKind, labels: Sequence[str], predicted: Sequence[ScoredTag]) -> list[ScoredTag]:
    """The predicted tags that make the case, the most confident first."""
    if kind is CaseKind.MISSING:
        return []
    is_wrong = kind in {CaseKind.WRONG_AUTO, CaseKind.WRONG}
    those = [each for each in predicted if (each.tag not in labels) is is_wrong]
    if kind is CaseKind.DOUBT:
        those = [each for each in those if each.band is not Band.AUTO]
    return sorted(those, key=lambda each: (each.band is not Band.AUTO, -each.confidence))
