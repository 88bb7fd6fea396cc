"""Products whose texts are the same, or nearly: MinHash and locality-sensitive hashing, then the exact similarity."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray

from hangtag.product_text import ProductText

Shingles = NDArray[np.uint32]

_CHARS = 5
_PERMUTATIONS = 128
# How often, at most, a pair at the threshold is not found.
_MISSED = 1e-6
_BREAKS = re.compile(r"[\W_]+")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_TOP_BITS = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two products, by their places in the list, the first before the second, and their Jaccard similarity."""

    first: int
    second: int
    similarity: float


@dataclass(frozen=True, slots=True)
class Duplicates:
    """`exact`: places of products whose text is the same. `near`: pairs whose first-listed texts are much alike.

    Each text stands for all that are the same: a pair of `near` names the first place of either.
    """

    exact: tuple[tuple[int, ...], ...]
    near: tuple[Pair, ...]


def find_duplicates(
    texts: Sequence[ProductText], threshold: float, on_text: Callable[[], None] = lambda: None
) -> Duplicates:
    """Texts that are the same but for case, spaces and punctuation, and pairs at or above the threshold.

    Similarity is Jaccard's, of the sets of 5-character shingles (Broder 1997). Bands and rows are chosen so that LSH
    misses a pair at the threshold, (1 - t^rows)^bands, with a probability below 1e-6 (Leskovec et al., Mining of
    Massive Datasets, section 3.4); what it proposes is then compared exactly. Texts that are empty are left out.
    `on_text` is called once for every text. `threshold` is between 0.3 and 1.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        plain = _plain(text)
        if plain:
            groups[plain].append(place)
        else:
            on_text()
    bands, rows = _bands(threshold)
    index = MinHashLSH(num_perm=_PERMUTATIONS, params=(bands, rows))
    empty = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=int, scheme="affine32")
    seen: dict[int, Shingles] = {}
    pairs = []
    for plain, places in groups.items():
        shingles = _shingles(plain)
        sketch = empty.copy()
        sketch.update_batch(shingles)
        for other in index.query(sketch):
            sizes = sorted((len(shingles), len(seen[other])))
            # No pair is more alike than its sizes are: most proposals end here.
            similarity = _jaccard(shingles, seen[other]) if sizes[0] >= threshold * sizes[1] else 0.0
            if similarity >= threshold:
                pairs.append(Pair(other, places[0], similarity))
        index.insert(places[0], sketch, check_duplication=False)
        seen[places[0]] = shingles
        for _ in places:
            on_text()
    exact = tuple(tuple(places) for places in groups.values() if len(places) > 1)
    return Duplicates(exact, tuple(sorted(pairs, key=lambda pair: (-pair.similarity, pair.first, pair.second))))


def _shingles(text: str) -> Shingles:
    """Hashes of the text's runs of 5 characters, each once, sorted; a shorter text is one run."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.uint64)
    width = min(_CHARS, len(codes))
    hashes = np.zeros(len(codes) - width + 1, np.uint64)
    for at in range(width):
        hashes = (hashes ^ codes[at : at + len(hashes)]) * _FACTOR
        hashes ^= hashes >> _TOP_BITS
    return np.unique((hashes >> _TOP_BITS).astype(np.uint32))


def _plain(text: ProductText) -> str:
    return _BREAKS.sub(" ", f"{text.first} {text.second}".casefold()).strip()


def _jaccard(one: Shingles, other: Shingles) -> float:
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)


def _bands(threshold: float) -> tuple[int, int]:
    fitting = [
        rows
        for rows in range(1, _PERMUTATIONS + 1)
        if (1 - threshold**rows) ** (_PERMUTATIONS // rows) <= _MISSED or rows == 1
    ]
    rows = max(fitting)
    return _PERMUTATIONS // rows, rows
