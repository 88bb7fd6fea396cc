"""Exact and near duplicates among texts: MinHash with locality-sensitive hashing, then the exact similarity."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from hangtag.text.product_text import ProductText
from hangtag.trainer.data.near_pairs import NearPairs
from hangtag.trainer.data.sketches import Sketches
from hangtag.trainer.files.disk_list import DiskList, sorted_on_disk

# More than the variants of one article; a sentence that occurs throughout a catalogue needs no more pairs than this.
MAX_PAIRS = 50


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

    exact: Sequence[tuple[int, ...]]
    near: Sequence[Pair]
    most: int = MAX_PAIRS
    full: int = 0


def find_duplicates(
    texts: Collection[ProductText],
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

    The texts are read once, in order. They and what is found are kept on disk; in memory are some 10 bytes a text.

    Raises:
        TemporarySpaceError: the disk is full.
    """
    sketches = Sketches(threshold)
    for done, text in enumerate(texts):
        on_step("reading texts", done, len(texts))
        sketches.add(text)
    sketches.finish()
    is_first = sketches.has_text
    exact: DiskList[tuple[int, ...]] = DiskList()
    for places in sketches.texts.equal(is_first.copy()):
        exact.append(tuple(places.tolist()))
        is_first[places[1:]] = False
    pairs = NearPairs(sketches, is_first, threshold, most)
    for band in range(len(sketches.bands)):
        on_step("comparing texts", band, len(sketches.bands))
        pairs.collect(band)
    found = sorted_on_disk(pairs.found, lambda pair: (-pair[2], pair[0], pair[1]), DiskList[tuple[int, int, float]])
    near = DiskList(lambda pair: (pair.first, pair.second, pair.similarity), lambda cells: Pair(*cells))
    near.extend(Pair(*each) for each in found)
    return Duplicates(sorted_on_disk(exact, lambda group: group, DiskList), near, most, pairs.full)
