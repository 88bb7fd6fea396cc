"""Products whose texts are the same, or nearly: MinHash and locality-sensitive hashing, then the exact similarity."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hangtag.text.product_text import ProductText
from hangtag.trainer.data.near_pairs import NearPairs
from hangtag.trainer.data.shingles import band_keys, shingles_of

# Variants of one article are fewer; of a sentence that stands in a whole catalogue no more is worth a look.
MOST_PAIRS = 50
_BREAKS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two products, by their places in the list, the first before the second, and their Jaccard similarity."""

    first: int
    second: int
    similarity: float


@dataclass(frozen=True, slots=True)
class Duplicates:
    """`exact`: places of products whose text is the same. `near`: pairs whose first-listed texts are much alike.

    Each text stands for all that are the same: a pair of `near` names the first place of either. `full` texts are
    paired with as many before them as a text may be, `most`: there may be more that are like them.
    """

    exact: tuple[tuple[int, ...], ...]
    near: tuple[Pair, ...]
    most: int = MOST_PAIRS
    full: int = 0


def find_duplicates(
    texts: Sequence[ProductText],
    threshold: float,
    on_step: Callable[[str, int, int], None] = lambda *_: None,
    most: int = MOST_PAIRS,
) -> Duplicates:
    """Texts that are the same but for case, spaces and punctuation, and pairs at or above the threshold.

    Similarity is Jaccard's, of the sets of 5-character shingles (Broder 1997). LSH proposes pairs and misses one at the
    threshold with a probability below 1e-6; what it proposes is then compared exactly. A text is paired with `most`
    texts before it, beyond that only where no pair joins the two yet: groups of texts that are alike, directly or
    through others, are whole whatever `most` is. Texts that are empty are left out. `threshold` is between 0.3 and 1.
    `on_step` is told what is done, how much of it, and how much there is.
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
        pairs.gather(band)
    first = [places[0] for places in groups.values()]
    near = [Pair(first[one], first[other], similarity) for one, other, similarity in pairs.found]
    near.sort(key=lambda pair: (-pair.similarity, pair.first, pair.second))
    return Duplicates(exact, tuple(near), most, pairs.full)


def _plain(text: ProductText) -> str:
    return _BREAKS.sub(" ", f"{text.first} {text.second}".casefold()).strip()
