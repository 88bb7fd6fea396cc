"""Products with the same or nearly the same text and different labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hangtag.tags.tag import value_of
from hangtag.trainer.data.duplicates import Duplicates
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.words import whole_words

# For each labelled facet: its different labels (sets of tags), each with the place of the first product that has it.
_Labels = dict[str, dict[frozenset[str], int]]
_PLAIN_I = str.maketrans({"\u0307": None, "\u0131": "i"})


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two products, by their places, whose tags of a facet differ.

    `is_named`: each text contains its own value and not the other's, as with variants of one article (a red and a blue
    shirt); then both labels are probably right.
    """

    facet: str
    first: int
    second: int
    first_tags: tuple[str, ...]
    second_tags: tuple[str, ...]
    similarity: float
    is_named: bool


def conflicts_of(products: Sequence[LabelledProduct], duplicates: Duplicates) -> list[Conflict]:
    """Find conflicting labels among duplicates: those with `is_named` last, the most similar first.

    Within a group of equal texts, the first product labelled for a facet is paired with the first product of each other
    label; between two similar texts likewise.
    """
    found = list(_Conflicts(products, duplicates).find())
    return sorted(found, key=lambda each: (each.is_named, -each.similarity, each.first, each.second))


class _Conflicts:
    def __init__(self, products: Sequence[LabelledProduct], duplicates: Duplicates) -> None:
        self._products = products
        self._duplicates = duplicates
        self._texts: dict[int, tuple[str, str]] = {}

    def find(self) -> Iterator[Conflict]:
        """Yield every conflict once."""
        same = {places[0]: self._labels(places) for places in self._duplicates.exact}
        for by_label in same.values():
            yield from self._between(by_label, by_label, 1.0)
        for pair in self._duplicates.near:
            one, other = (same.get(place) or self._labels((place,)) for place in (pair.first, pair.second))
            yield from self._between(one, other, pair.similarity)

    def _labels(self, places: Sequence[int]) -> _Labels:
        result: _Labels = {}
        for place in places:
            product = self._products[place]
            for facet in product.facets:
                result.setdefault(facet, {}).setdefault(product.tags_of(facet), place)
        return result

    def _between(self, one: _Labels, other: _Labels, similarity: float) -> Iterator[Conflict]:
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
        return bool(words) and all(self._contains(place, word) and not self._contains(other, word) for word in words)

    def _contains(self, place: int, word: str) -> bool:
        if place not in self._texts:
            # Cached: one product can be in many pairs.
            segments = self._products[place].text
            text = f"{segments.first} {segments.second}"
            self._texts[place] = text, _folded(text)
        text, folded = self._texts[place]
        # The substring test is cheap and usually fails; the pattern of complete words is expensive.
        return _folded(word) in folded and bool(whole_words((word,)).search(text))


def _folded(text: str) -> str:
    """Fold case as a case-insensitive pattern does, for which dotted and dotless i are equal."""
    return text.casefold().translate(_PLAIN_I)
