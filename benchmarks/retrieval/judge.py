"""Figures of lists of products against labels."""

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.retrieval.catalogue import Product
from hangtag.tags.tag import facet_of

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Query:
    """A text, and what products have that are relevant: at least one label of each group."""

    text: str
    relevant: tuple[frozenset[str], ...]

    @property
    def facets(self) -> frozenset[str]:
        """The facets that must be labelled for a product to be judged."""
        return frozenset(facet_of(tag) for group in self.relevant for tag in group)

    def is_relevant(self, product: Product) -> bool:
        """Whether the product has what is asked for, by its labels."""
        return all(group & product.labels for group in self.relevant)


def read_queries(path: Path) -> list[Query]:
    """The judged queries of a file."""
    rows = map(json.loads, path.read_text("utf-8").splitlines())
    return [Query(row["text"], tuple(map(frozenset, row["relevant"]))) for row in rows]


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one list: NDCG and precision of the first 10, recall of the complete list of at most 100."""

    ndcg: float
    precision: float
    recall: float


def figures(found: Sequence[str], relevant: Collection[str]) -> Figures:
    """Figures of a list of ids. A list that is shorter than 10 is judged as it is shown: what is missing is wrong."""
    gains = [product_id in relevant for product_id in found]
    best = min(_SHOWN, len(relevant))
    ideal = sum(1 / math.log2(place + 2) for place in range(best))
    dcg = sum(gain / math.log2(place + 2) for place, gain in enumerate(gains[:_SHOWN]))
    reachable = min(len(relevant), 100)
    return Figures(dcg / ideal, sum(gains[:_SHOWN]) / best, sum(gains) / reachable)
