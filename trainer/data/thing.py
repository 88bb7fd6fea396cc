"""A thing that somebody may ask for: words, and the labels that these words say."""

from dataclasses import dataclass, replace
from typing import Self

from hangtag.tags.tag import facet_of
from hangtag.trainer.data.labelled import LabelledProduct


@dataclass(frozen=True, slots=True)
class Thing:
    """A phrase and its labels. As with products, a labelled facet without a tag means that none of its tags fits."""

    phrase: str
    facets: frozenset[str]
    tags: frozenset[str]

    def said(self, phrase: str, *tags: str) -> Self:
        """The same thing in other words, which say these tags too."""
        return replace(self, phrase=phrase, facets=self.facets | set(map(facet_of, tags)), tags=self.tags | set(tags))

    def without(self, phrase: str, facet: str) -> Self:
        """The same thing in other words, which say that nothing else of the facet fits than what is known already."""
        return replace(self, phrase=phrase, facets=self.facets | {facet})

    def to_product(self, product_id: str) -> LabelledProduct:
        """A product that has only a title, which is how a query is read."""
        return LabelledProduct(product_id, self.phrase, "", "", self.facets, self.tags)
