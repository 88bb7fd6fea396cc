"""Products that two bundles tag differently."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hangtag.tagger.tagger import Tagger
from hangtag.tags.tag import facet_of, value_of
from hangtag.tags.tagset import ScoredTag, TagSet
from hangtag.tags.thresholds import Band
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.evaluate import logits_of, served_tags

_BANDS = {Band.AUTO: 0, Band.REVIEW: 1, Band.REJECT: 2}


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A product that has other tags in a facet with one bundle than with the other.

    `first` and `second` are the tags of the two bundles in AUTO or REVIEW, `labels` those of the product; None if it is
    not labelled for the facet.
    """

    product: LabelledProduct
    facet: str
    first: tuple[ScoredTag, ...]
    second: tuple[ScoredTag, ...]
    labels: tuple[str, ...] | None

    @property
    def right(self) -> str:
        """Whose tags are the labels: first, second, neither or both (by the tags alone); empty if nobody knows."""
        if self.labels is None:
            return ""
        first, second = ({each.tag for each in tags} == set(self.labels) for tags in (self.first, self.second))
        return "both" if first and second else "first" if first else "second" if second else "neither"

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the text."""
        return {
            "product_id": self.product.product_id,
            "facet": self.facet,
            "right": self.right,
            "labels": None if self.labels is None else list(map(value_of, self.labels)),
            **{
                name: [_plain(each) for each in tags] for name, tags in (("first", self.first), ("second", self.second))
            },
            "title": self.product.title,
            "description": self.product.description,
            "merchant_category": self.product.merchant_category,
        }


def disagreements(first: Tagger, second: Tagger, products: Sequence[LabelledProduct]) -> list[Disagreement]:
    """The products that the bundles tag differently, in facets that both have.

    Those come first on which a bundle is AUTO, then those of which the labels are known, then by falling confidence.
    """
    served = [served_tags(tagger, products, logits_of(tagger, products)) for tagger in (first, second)]
    facets = [facet.name for facet in first.bundle.schema.facets if facet.name in second.bundle.schema.slices]
    found = []
    for product, one, other in zip(products, *served, strict=True):
        for facet in facets:
            its, others = _of(one, facet), _of(other, facet)
            if _said(its) != _said(others):
                labels = tuple(sorted(product.tags_of(facet))) if facet in product.facets else None
                found.append(Disagreement(product, facet, its, others, labels))
    return sorted(found, key=_weight)


def _of(tags: TagSet, facet: str) -> tuple[ScoredTag, ...]:
    return tuple(each for each in (*tags.tags, *tags.review) if facet_of(each.tag) == facet)


def _said(tags: Sequence[ScoredTag]) -> set[tuple[str, Band]]:
    return {(each.tag, each.band) for each in tags}


def _weight(found: Disagreement) -> tuple[bool, int, bool, float]:
    both = (*found.first, *found.second)
    best = min(_BANDS[each.band] for each in both)
    same_tags = {each.tag for each in found.first} == {each.tag for each in found.second}
    return (same_tags, best, found.labels is None, -max(each.confidence for each in both))


def _plain(scored: ScoredTag) -> dict[str, Any]:
    return {"value": value_of(scored.tag), "confidence": round(scored.confidence, 4), "band": scored.band.value}
