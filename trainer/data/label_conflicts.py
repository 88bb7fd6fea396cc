"""Products with the same text, or nearly, that are labelled differently."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trainer.data.duplicates import Duplicates
from trainer.data.labelled import LabelledProduct
from trainer.data.words import whole_words


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two products, by their places, whose tags of a facet differ.

    `is_named`: each text names its own value and not the other's, as variants of one article do (a red and a blue
    shirt): then both are probably right.
    """

    facet: str
    first: int
    second: int
    first_tags: tuple[str, ...]
    second_tags: tuple[str, ...]
    similarity: float
    is_named: bool


def conflicts_of(products: Sequence[LabelledProduct], duplicates: Duplicates) -> list[Conflict]:
    """Conflicts among duplicates of facets that both are labelled for: unnamed ones first, the most alike first.

    Of many products with the same text the first with each different label is named.
    """
    found = [
        conflict
        for first, second, similarity in _pairs(products, duplicates)
        for conflict in _between(products, first, second, similarity)
    ]
    unique = {(conflict.facet, conflict.first, conflict.second): conflict for conflict in found}
    return sorted(unique.values(), key=lambda each: (each.is_named, -each.similarity, each.first, each.second))


def _pairs(products: Sequence[LabelledProduct], duplicates: Duplicates) -> Iterator[tuple[int, int, float]]:
    same = {}
    for places in duplicates.exact:
        distinct: dict[tuple[frozenset[str], frozenset[str]], int] = {}
        for place in places:
            distinct.setdefault((products[place].facets, products[place].tags), place)
        same[places[0]] = kept = list(distinct.values())
        yield from ((one, other, 1.0) for at, one in enumerate(kept) for other in kept[at + 1 :])
    for pair in duplicates.near:
        for one in same.get(pair.first, [pair.first]):
            yield from ((one, other, pair.similarity) for other in same.get(pair.second, [pair.second]))


def _between(products: Sequence[LabelledProduct], first: int, second: int, similarity: float) -> Iterator[Conflict]:
    one, other = products[first], products[second]
    for facet in sorted(one.facets & other.facets):
        its, others = one.tags_of(facet), other.tags_of(facet)
        if its != others:
            is_named = _names(one, other, its - others) and _names(other, one, others - its)
            yield Conflict(facet, first, second, tuple(sorted(its)), tuple(sorted(others)), similarity, is_named)


def _names(product: LabelledProduct, other: LabelledProduct, tags: frozenset[str]) -> bool:
    text, other_text = (f"{each.text.first} {each.text.second}" for each in (product, other))
    words = [whole_words((tag.split(":", 1)[1],)) for tag in tags]
    return bool(words) and all(word.search(text) and not word.search(other_text) for word in words)
