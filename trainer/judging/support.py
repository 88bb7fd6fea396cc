"""How many products stand behind a tag: the groups of tags for which a promise is shown separately."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hangtag.tags.decoding import Named
from hangtag.tags.naming import naming_of
from hangtag.tags.schema import TagSchema
from hangtag.text.kind import TextKind
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.attributes import Words

# From this number of products on, a tag's own predictions decide about it.
MANY = 10

Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Support(StrEnum):
    """The number of products with a tag among those that thresholds are set on."""

    NONE = "0"
    FEW = "1 to 9"
    MANY = "10 and more"

    @classmethod
    def of(cls, products: int) -> Self:
        """The group of a tag with this number of products."""
        return cls(cls.NONE if products == 0 else cls.FEW if products < MANY else cls.MANY)


# A facet and a group of its tags.
Group = tuple[str, Support]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What thresholds depend on beside scores and labels, one entry or row per product.

    `shops` are numbers. `named`, of shape (products, tags), is True where the text allows the tag to be AUTO: it has a
    word for it, or the tag needs none. `words` are those of the tags of attribute facets.
    """

    shops: Counts
    named: Flags
    words: Words

    @classmethod
    def of(cls, products: Sequence[LabelledProduct], schema: TagSchema, words: Words | None = None) -> Self:
        """The circumstances of products.

        A product whose shop is unknown counts as a shop of its own, and so does each product of a shop that has more
        than half of the products labelled for some facet: without it there would be too little left to set thresholds
        on.
        """
        labelled = Counter(facet for product in products for facet in product.facets)
        by_shop = Counter((product.shop, facet) for product in products for facet in product.facets)
        dominant = {shop for (shop, facet), count in by_shop.items() if 2 * count > labelled[facet]}
        keys = [
            (product.shop if product.shop and product.shop not in dominant else row)
            for row, product in enumerate(products)
        ]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        named = np.ones((len(products), len(schema.tags)), bool)
        if words:
            naming = naming_of(schema, words)
            named[:, [schema.index[tag] for tag in words]] = False
            for row, product in enumerate(products):
                named[row, [schema.index[tag] for tag in naming.named(product.text)]] = True
        return cls(np.array([numbers[key] for key in keys], np.int64), named, words or {})

    def rows(self, rows: Sequence[int]) -> "Circumstances":
        """Those of some of the products."""
        return Circumstances(self.shops[rows], self.named[rows], self.words)

    def named_by(self, rows: Sequence[int], schema: TagSchema) -> list[Named]:
        """What the texts of some of the products name, for a decoder."""
        needing = [(tag, schema.index[tag]) for tag in self.words]
        return [{TextKind.PRODUCT: frozenset(tag for tag, at in needing if self.named[row, at])} for row in rows]


def supports(targets: Flags) -> list[Support]:
    """The group of each tag; `targets` of shape (products, tags) is True where a product has a tag."""
    return [Support.of(int(count)) for count in targets.sum(axis=0)]


def in_other_shops(targets: Flags, shops: Counts) -> Counts:
    """For each product and tag the number of products of other shops with the tag; of shape (products, tags)."""
    in_shop = np.zeros((int(shops.max(initial=-1)) + 1, targets.shape[1]), np.int64)
    np.add.at(in_shop, shops, targets)
    others: Counts = targets.sum(axis=0) - in_shop[shops]
    return others
