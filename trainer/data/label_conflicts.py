"""Products with the same or nearly the same text and different labels."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from hangtag.tags.tag import value_of
from hangtag.trainer.data.duplicates import Duplicates
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.words import whole_words
from hangtag.trainer.files.disk_list import DiskList, sorted_on_disk

# For each labelled facet: its different labels (sets of tags), each with the place of the first product that has it.
_Labels = dict[str, dict[frozenset[str], int]]
# Texts and labels that are held in memory.
_HELD = 10_000
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


def conflicts_of(products: Sequence[LabelledProduct], duplicates: Duplicates) -> Sequence[Conflict]:
    """Find conflicting labels among duplicates: those with `is_named` last, the most similar first.

    Within a group of equal texts, the first product labelled for a facet is paired with the first product of each other
    label; between two similar texts likewise. The conflicts are kept on disk.
    """
    found = _Conflicts(products, duplicates).find()
    return sorted_on_disk(
        found,
        lambda each: (each.is_named, -each.similarity, each.first, each.second),
        lambda: DiskList(astuple, _conflict),
    )


def _conflict(cells: Any) -> Conflict:
    facet, first, second, first_tags, second_tags, similarity, is_named = cells
    return Conflict(facet, first, second, tuple(first_tags), tuple(second_tags), similarity, is_named)


class _Conflicts:
    def __init__(self, products: Sequence[LabelledProduct], duplicates: Duplicates) -> None:
        self._products = products
        self._exact = duplicates.exact
        self._near = duplicates.near
        # In the order of the groups.
        self._first_places = np.fromiter((group[0] for group in duplicates.exact), np.int64, len(duplicates.exact))
        # One product can be in many pairs.
        self._labels_of = lru_cache(_HELD)(self._labels_of_text)
        self._text_of = lru_cache(_HELD)(self._text)

    def find(self) -> Iterator[Conflict]:
        """Yield every conflict once."""
        for places in self._exact:
            by_label = self._labels(places)
            yield from self._between(by_label, by_label, 1.0)
        for pair in self._near:
            yield from self._between(self._labels_of(pair.first), self._labels_of(pair.second), pair.similarity)

    def _labels_of_text(self, place: int) -> _Labels:
        """The labels of all products with the text of the product at `place`, the first one that has it."""
        at = int(np.searchsorted(self._first_places, place))
        is_group = at < len(self._first_places) and self._first_places[at] == place
        return self._labels(self._exact[at] if is_group else (place,))

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
        text, folded = self._text_of(place)
        # The substring test is cheap and usually fails; the pattern of complete words is expensive.
        return _folded(word) in folded and bool(whole_words((word,)).search(text))

    def _text(self, place: int) -> tuple[str, str]:
        """A product's text as it is, and folded."""
        segments = self._products[place].text
        text = f"{segments.first} {segments.second}"
        return text, _folded(text)


def _folded(text: str) -> str:
    """Fold case as a case-insensitive pattern does, for which dotted and dotless i are equal."""
    return text.casefold().translate(_PLAIN_I)
