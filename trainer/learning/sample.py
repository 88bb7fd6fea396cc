"""What a bundle with new tags makes of a shop's own products."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hangtag.bundle import Bundle
from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.tags.tag import facet_of
from hangtag.tags.tagset import ScoredTag
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.evaluate import logits_of, served_tags

# Of a file: enough to see what a tag is given to, in seconds.
MOST_PRODUCTS = 1_000
_SEED = 0


@dataclass(frozen=True, slots=True)
class Tagged:
    """A product that gets a new tag. `instead_of` are the tags of the facet that it had before, if it is single."""

    product: LabelledProduct
    found: ScoredTag
    instead_of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """Those of `products` drawn from a file's `of` products that get one of the new tags, the most confident first."""

    of: int
    products: int
    tagged: Sequence[Tagged]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "of": self.of,
            "products": self.products,
            "tagged": [
                {
                    "product_id": each.product.product_id,
                    "title": each.product.title,
                    "tag": each.found.tag,
                    "confidence": round(each.found.confidence, 4),
                    "band": each.found.band.value,
                    "instead_of": list(each.instead_of),
                }
                for each in self.tagged
            ],
        }


def sample(before: Bundle, after: Bundle, tags: Sequence[str], products: Sequence[LabelledProduct]) -> Sample:
    """Tag at most 1,000 of the products, drawn at random, with a bundle before and after it learnt the tags."""
    drawn = random.Random(_SEED).sample(products, min(MOST_PRODUCTS, len(products)))
    then, now = _served(before, drawn), _served(after, drawn)
    facet = facet_of(tags[0])
    found = [
        Tagged(product, each, tuple(tag for tag in its_then if facet_of(tag) == facet and tag not in its_now))
        for product, its_then, its_now in zip(drawn, then, now, strict=True)
        for tag, each in its_now.items()
        if tag in tags
    ]
    return Sample(len(products), len(drawn), sorted(found, key=lambda each: -each.found.confidence))


def _served(bundle: Bundle, products: Sequence[LabelledProduct]) -> list[dict[str, ScoredTag]]:
    """Each product's tags in AUTO and REVIEW."""
    engine = open_engine(bundle, "cpu")
    try:
        tagger = Tagger.of(bundle, engine)
        found = served_tags(tagger, products, logits_of(tagger, products))
    finally:
        engine.close()
    return [{each.tag: each for each in (*tags.tags, *tags.review)} for tags in found]
