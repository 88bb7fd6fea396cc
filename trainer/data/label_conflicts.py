"""Products with the same text, or nearly, that are labelled differently."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hangtag.tags.tag import value_of
from hangtag.trainer.data.duplicates import Duplicates
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.words import whole_words

# For each facet that any of some products is labelled for: its different labels, each with the first place that has it.
_Labelled = dict[str, dict[frozenset[str], int]]
_PLAIN_I = str.maketrans({"\u0307": None, "\u0131": "i"})


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

    Of many products with the same text the first that is labelled for a facet is named with the first of each other
    label; with those of a text that is nearly the same likewise.
    """
    found = list(_Conflicts(products, duplicates).found())
    return sorted(found, key=lambda each: (each.is_named, -each.similarity, each.first, each.second))


class _Conflicts:
    def __init__(self, products: Sequence[LabelledProduct], duplicates: Duplicates) -> None:
        self._products = products
        self._duplicates = duplicates
        self._texts: dict[int, tuple[str, str]] = {}

    def found(self) -> Iterator[Conflict]:
        """Every conflict once."""
        same = {places[0]: self._labelled(places) for places in self._duplicates.exact}
        for by_label in same.values():
            yield from self._between(by_label, by_label, 1.0)
        for pair in self._duplicates.near:
            one, other = (same.get(place) or self._labelled((place,)) for place in (pair.first, pair.second))
            yield from self._between(one, other, pair.similarity)

    def _labelled(self, places: Sequence[int]) -> _Labelled:
        result: _Labelled = {}
        for place in places:
            product = self._products[place]
            for facet in product.facets:
                result.setdefault(facet, {}).setdefault(product.tags_of(facet), place)
        return result

    def _between(self, one: _Labelled, other: _Labelled, similarity: float) -> Iterator[Conflict]:
        for facet in sorted(one.keys() & other.keys()):
            its, first = next(iter(one[facet].items()))
            for others, second in other[facet].items():
                if its != others:
                    is_named = self._names(first, second, its - others) and self._names(second, first, others - its)
                    yield Conflict(
                        facet, first, second, tuple(sorted(its)), tuple(sorted(others)), similarity, is_named
                    )

    def _names(self, place: int, other: int, tags: frozenset[str]) -> bool:
        words = [value_of(tag) for tag in tags]
        return bool(words) and all(self._holds(place, word) and not self._holds(other, word) for word in words)

    def _holds(self, place: int, word: str) -> bool:
        if place not in self._texts:
            # Once: of many products with the same text one stands in every pair.
            segments = self._products[place].text
            text = f"{segments.first} {segments.second}"
            self._texts[place] = text, _folded(text)
        text, folded = self._texts[place]
        # To look for whole words is dear where there are thousands of them, and few stand in a text at all.
        return _folded(word) in folded and bool(whole_words((word,)).search(text))


def _folded(text: str) -> str:
    """What two texts share that are the same to a pattern that ignores case: all kinds of i are one to it."""
    return text.casefold().translate(_PLAIN_I)
