"""How good a bundle is on parts of the products: by shop, source, language or length of the text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from scipy.stats import binomtest

from hangtag.tagger.tagger import Tagger
from hangtag.tags.decoding import Logits
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.evaluate import predicted_tags
from hangtag.words.language import likeliest_language

CONFIDENCE = 0.95
# Parts of each kind that a bundle's manifest lists.
_WORST = 5
# Upper ends of the groups of length, in words.
_LENGTHS = (5, 15, 50, 150)


class SliceBy(StrEnum):
    """What products are divided by."""

    SHOP = "shop"
    SOURCE = "source"
    LANGUAGE = "language"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Slice:
    """A facet's figures on one part of the products.

    `right` of the `products` that are labelled for the facet have exactly their labels predicted: the top tag of a
    single facet, the tags in AUTO or REVIEW of a multi facet. `low` and `high` bound the share that is right, by
    Wilson's score interval at 95 % confidence.
    """

    by: SliceBy
    name: str
    facet: str
    products: int
    right: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The share of the products that is right."""
        return self.right / self.products

    def to_json(self) -> dict[str, Any]:
        """All fields, and the share."""
        return {**asdict(self), "by": self.by.value, "share": self.share}


def slices_of(
    by: SliceBy,
    products: Sequence[LabelledProduct],
    is_right: Mapping[str, Sequence[bool]],
    sources: Sequence[str],
) -> list[Slice]:
    """The figures of every facet on every part, the certainly worst first: those with the lowest upper bound.

    `is_right` says of each facet whether each product's labels are predicted; products that are not labelled for the
    facet do not count. `sources` names the file of each product. Products without a shop are in no part by shop.
    """
    name_of: dict[SliceBy, Callable[[int], str]] = {
        SliceBy.SHOP: lambda row: products[row].shop,
        SliceBy.SOURCE: lambda row: sources[row],
        SliceBy.LANGUAGE: lambda row: likeliest_language(_text(products[row])),
        SliceBy.LENGTH: lambda row: _length(products[row]),
    }
    names = [name_of[by](row) for row in range(len(products))]
    counts: dict[tuple[str, str], list[int]] = {}
    for facet, flags in is_right.items():
        for product, name, right in zip(products, names, flags, strict=True):
            if name and facet in product.facets:
                count = counts.setdefault((name, facet), [0, 0])
                count[0] += 1
                count[1] += bool(right)
    found = [_slice(by, name, facet, total, right) for (name, facet), (total, right) in counts.items()]
    return sorted(found, key=lambda each: (each.high, -each.products, each.name, each.facet))


def worst_slices(
    tagger: Tagger, products: Sequence[LabelledProduct], logits: Logits
) -> dict[str, list[dict[str, Any]]]:
    """The manifest's entry `slices`: the certainly worst parts by shop, language and length, if there are several.

    Logits have the shape (products, tags); a facet counts as if it applied to every product.
    """
    schema, predicted = tagger.bundle.schema, predicted_tags(tagger, logits)
    is_right = {
        facet.name: [
            {tag for tag, fits in zip(facet.tags, row, strict=True) if fits} == product.tags_of(facet.name)
            for row, product in zip(predicted[:, schema.slices[facet.name]], products, strict=True)
        ]
        for facet in schema.facets
    }
    found = {
        by: slices_of(by, products, is_right, ())
        for by in SliceBy
        if by is not SliceBy.SOURCE  # known to a run, not to a bundle
    }
    return {
        by.value: [each.to_json() for each in its[:_WORST]]
        for by, its in found.items()
        if len({each.name for each in its}) > 1
    }


def _slice(by: SliceBy, name: str, facet: str, products: int, right: int) -> Slice:
    bounds = binomtest(right, products).proportion_ci(CONFIDENCE, method="wilson")
    return Slice(by, name, facet, products, right, float(bounds.low), float(bounds.high))


def _text(product: LabelledProduct) -> str:
    return f"{product.title} {product.description}"


def _length(product: LabelledProduct) -> str:
    words = len(_text(product).split())
    first = 1
    for last in _LENGTHS:
        if words <= last:
            return f"{first} to {last} words"
        first = last + 1
    return f"{first} words or more"
