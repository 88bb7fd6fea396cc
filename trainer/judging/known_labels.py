"""Labels that a bundle does not know: no prediction of it could be right, so they say nothing about its quality."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.tags.tag import facet_of
from hangtag.trainer.data.labelled import LabelledProduct


@dataclass(frozen=True, slots=True)
class KnownLabels:
    """Products with only those labels that a bundle knows, in the same order.

    `tags` and `facets` are the labels and the labelled facets that it does not know, with their numbers of products.
    """

    products: list[LabelledProduct]
    tags: dict[str, int]
    facets: dict[str, int]


def known_labels(products: Sequence[LabelledProduct], schema: TagSchema) -> KnownLabels:
    """Take out what the schema lacks.

    A product with an unknown tag of a single facet counts as not labelled for that facet; of a multi facet it keeps the
    other tags.
    """
    single = {facet.name for facet in schema.facets if facet.kind is FacetKind.SINGLE}
    tags: Counter[str] = Counter()
    facets: Counter[str] = Counter()
    result = list(products)
    for place, product in enumerate(products):
        unknown_facets = product.facets - schema.slices.keys()
        unknown_tags = {tag for tag in product.tags if tag not in schema.index} - {
            tag for facet in unknown_facets for tag in product.tags_of(facet)
        }
        facets.update(unknown_facets)
        tags.update(unknown_tags)
        dropped = unknown_facets | ({facet_of(tag) for tag in unknown_tags} & single)
        if dropped or unknown_tags:
            kept = frozenset(tag for tag in product.tags - unknown_tags if facet_of(tag) not in dropped)
            result[place] = replace(product, facets=product.facets - dropped, tags=kept)
    return KnownLabels(result, _most_first(tags), _most_first(facets))


def _most_first(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))
