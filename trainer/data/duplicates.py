"""Exact and near duplicates among texts: MinHash with locality-sensitive hashing, then the exact similarity."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hangtag.text.product_text import ProductText
from hangtag.trainer.data.near_pairs import NearPairs
from hangtag.trainer.data.shingles import band_keys, shingles_of

# More than the variants of one article; a sentence that occurs throughout a catalogue needs no more pairs than this.
MAX_PAIRS = 50
_BREAKS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two products, by their places in the list (`first` < `second`), and their Jaccard similarity."""

    first: int
    second: int
    similarity: float


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Groups of products with the same text (`exact`) and pairs of products with similar texts (`near`), by places.

    A pair in `near` names the first product with each of its two texts. `full` is the number of texts that reached
    `most`, the limit of pairs with earlier texts; they may have further near duplicates.
    """

    exact: tuple[tuple[int, ...], ...]
    near: tuple[Pair, ...]
    most: int = MAX_PAIRS
    full: int = 0


def find_duplicates(
    texts: Sequence[ProductText],
    threshold: float,
    on_step: Callable[[str, int, int], None] = lambda *_: None,
    most: int = MAX_PAIRS,
) -> Duplicates:
    """Find texts that differ only in case, spaces and punctuation, and pairs with a similarity of `threshold` or more.

    The similarity is the Jaccard similarity of sets of 5-character shingles (Broder 1997). LSH proposes pairs, and
    misses one at the threshold with a probability below 1e-6; proposed pairs are compared exactly. A text is paired
    with at most `most` earlier texts, and beyond that only with texts that no chain of pairs connects it to yet, so the
    connected groups are complete whatever `most` is. Empty texts are left out. `threshold` is between 0.3 and 1.
    `on_step` is called with the current step's name, how much of it is done, and its total.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        groups[_plain(text)].append(place)
    groups.pop("", None)
    exact = tuple(tuple(places) for places in groups.values() if len(places) > 1)
    if not groups:
        return Duplicates(exact, (), most)
    shingles, keys = [], []
    for done, plain in enumerate(groups):
        on_step("reading texts", done, len(groups))
        shingles.append(shingles_of(plain))
        keys.append(band_keys(shingles[-1], threshold))
    pairs = NearPairs(shingles, np.array(keys), threshold, most)
    for band in range(len(keys[0])):
        on_step("comparing texts", band, len(keys[0]))
        pairs.collect(band)
    first = [places[0] for places in groups.values()]
    near = [Pair(first[one], first[other], similarity) for one, other, similarity in pairs.found]
    near.sort(key=lambda pair: (-pair.similarity, pair.first, pair.second))
    return Duplicates(exact, tuple(near), most, pairs.full)


def _plain(text: ProductText) -> str:
    return _BREAKS.sub(" ", f"{text.first} {text.second}".casefold()).strip()
