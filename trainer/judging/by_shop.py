"""The figures of a bundle by shop: shops that training saw, new ones, and each shop's mistakes."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hangtag.tagger.tagger import Tagger
from hangtag.tags.decoding import Logits
from hangtag.tags.schema import FacetKind
from hangtag.tags.tag import facet_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.evaluate import (
    Evaluation,
    EvaluationError,
    evaluate_logits,
    figures_of,
    predicted_tags,
    served_tags,
)
from hangtag.trainer.judging.known_labels import known_labels


@dataclass(frozen=True, slots=True)
class ShopScore:
    """A shop's products, their labels in single facets, and their AUTO tags in labelled facets.

    `right` are labels that are the top tag, `auto_right` are AUTO tags that are labels. `is_new`: training saw no
    product of the shop.
    """

    shop: str
    is_new: bool
    products: int
    labels: int
    right: int
    auto: int
    auto_right: int

    @property
    def mistakes(self) -> int:
        """The number of labels whose top tag is another one."""
        return self.labels - self.right


@dataclass(frozen=True, slots=True)
class ByShop:
    """Figures of products from shops that training saw, and from new ones; None where there are no such products.

    `shops` are all shops, those with most mistakes first. `without_shop` counts products whose shop is not known: they
    are in neither figure.
    """

    seen: Evaluation | None
    new: Evaluation | None
    products: dict[str, int]
    shops: Sequence[ShopScore]
    without_shop: int

    def to_json(self) -> dict[str, Any]:
        """Plain values: the averages of each facet for `seen` and `new`, and the shops."""
        averages = {name: each and figures_of(each) for name, each in (("seen", self.seen), ("new", self.new))}
        shops = [asdict(shop) for shop in self.shops]
        return {**averages, "products": self.products, "shops": shops, "without_shop": self.without_shop}


def by_shop(tagger: Tagger, products: Sequence[LabelledProduct], logits: Logits, trained_on: Collection[str]) -> ByShop:
    """Divide the products by shop; `trained_on` are the shops that training saw, the logits of shape (products, tags).

    Raises:
        EvaluationError: the shop of no product is known.
    """
    rows = [row for row, product in enumerate(products) if product.shop]
    if not rows:
        msg = "the shop of no product is known: the files need a column shop, or name a file with --shops"
        raise EvaluationError(msg)
    seen = [row for row in rows if products[row].shop in trained_on]
    new = [row for row in rows if products[row].shop not in trained_on]
    figures = [
        evaluate_logits(tagger, [products[row] for row in its_rows], logits[its_rows]) if its_rows else None
        for its_rows in (seen, new)
    ]
    shops = _shops(tagger, [products[row] for row in rows], logits[rows], trained_on)
    counts = {"seen": len(seen), "new": len(new)}
    return ByShop(figures[0], figures[1], counts, shops, len(products) - len(rows))


def _shops(
    tagger: Tagger, products: Sequence[LabelledProduct], logits: Logits, trained_on: Collection[str]
) -> list[ShopScore]:
    schema = tagger.bundle.schema
    single = {facet.name for facet in schema.facets if facet.kind is FacetKind.SINGLE}
    tags = np.array(schema.tags)
    counts: dict[str, list[int]] = {}
    answers = zip(
        known_labels(products, schema).products,
        predicted_tags(tagger, logits),
        served_tags(tagger, products, logits),
        strict=True,
    )
    for product, predicted, served in answers:
        top = set(tags[predicted])
        labels = [tag for tag in product.tags if facet_of(tag) in single]
        auto = [each.tag for each in served.tags if facet_of(each.tag) in product.facets]
        figures = (
            1,
            len(labels),
            sum(tag in top for tag in labels),
            len(auto),
            sum(tag in product.tags for tag in auto),
        )
        so_far = counts.setdefault(product.shop, [0] * len(figures))
        counts[product.shop] = [old + new for old, new in zip(so_far, figures, strict=True)]
    shops = [ShopScore(shop, shop not in trained_on, *figures) for shop, figures in counts.items()]
    return sorted(shops, key=lambda each: (-each.mistakes, each.shop))
