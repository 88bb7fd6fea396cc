"""The index at one moment: what readers see while it changes."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from hangtag.index.counts import Counting, Counts, KnownCounts
from hangtag.index.ids import Ids
from hangtag.index.postings import NONE, Postings
from hangtag.index.query import Query
from hangtag.index.ranking import Best, Ranked, Ranking
from hangtag.index.rows import FrozenRows
from hangtag.index.slots import in_auto, scored, tag_number_of, tag_numbers
from hangtag.index.tag_numbers import TagNumbers
from hangtag.index.values import FrozenValues
from hangtag.tags.tag import value_of
from hangtag.tags.tagset import ScoredTag
from hangtag.tags.thresholds import Band

EVERYTHING = Query()
# Among the products of a rarer tag, counting takes less than a millisecond.
PREPARED = 4_000


class Filled(NamedTuple):
    """What a view is made of."""

    rows: FrozenRows
    values: FrozenValues
    postings: Sequence[Postings]
    products: BitMap
    blocked: frozenset[int]
    known: KnownCounts

    @property
    def counting(self) -> Counting:
        """What products are counted with."""
        return Counting(self.postings, self.rows, self.values, len(self.products))


class View:
    """A moment of the index: nothing in it ever changes, and nobody waits for anybody. Any thread may ask.

    Products have numbers, below 2^32, which are theirs as long as the process runs. Bitmaps hold such numbers; those
    that are returned may be the index's own, so nobody changes them.

    Attributes:
        products: all products.
        filled: what it is made of, for the writer of the next view.
    """

    def __init__(self, ids: Ids, tags: TagNumbers, filled: Filled) -> None:
        self._ids = ids
        self._tags = tags
        self.filled = filled
        self.products = filled.products

    @property
    def facets(self) -> list[str]:
        """The facets that any product has a tag of, in the order in which they first came."""
        return list(self._tags.facets)

    def number_of(self, product_id: str) -> int | None:
        """The number of a product; None if the index does not have it."""
        number = self._ids.find(product_id.encode())
        return number if number is not None and number in self.products else None

    def ids(self, numbers: Iterable[int]) -> list[str]:
        """The ids of products."""
        return [self._ids.get(number).decode() for number in numbers]

    def version_of(self, number: int) -> int:
        """The version of a product whose tags these are."""
        return self.filled.rows.row(number).version

    def tags_of(self, number: int) -> list[ScoredTag]:
        """The tags of a product, AUTO first. Confidences are in steps of 0.001. Blocked tags are left out."""
        blocked, names = self.filled.blocked, self._tags.tags
        return [
            scored(names[tag_number_of(slot)], slot)
            for slot in self.filled.rows.row(number).slots
            if tag_number_of(slot) not in blocked
        ]

    def postings(self, tag: str, band: Band = Band.AUTO) -> BitMap:
        """The products that have a tag in this band or a better one."""
        return self._postings(tag).within(band)

    def count(self, tag: str, band: Band = Band.AUTO) -> int:
        """How many products have a tag in this band or a better one."""
        return self._postings(tag).count(band)

    def values(self, facet: str) -> list[str]:
        """The tags of a facet that any product ever had."""
        return [self._tags.tags[number] for number in self._numbers(facet)]

    def total_weights(self, numbers: NDArray[np.uint32], weight: Callable[[int], float]) -> NDArray[np.float64]:
        """Of each of these products, the sum over its AUTO tags of a weight of how many products have the tag.

        `numbers` ascend.
        """
        found = (postings.count(Band.AUTO) for postings in self.filled.postings)
        # A tag that is blocked has no products.
        by_tag = np.array([weight(products) if products else 0.0 for products in found])
        slots = self.filled.rows.gather(numbers)
        weights: NDArray[np.float64] = np.einsum("ij,ij->i", by_tag.take(tag_numbers(slots)), in_auto(slots))
        return weights

    def hits(self, query: Query, base: Query = EVERYTHING) -> BitMap:
        """The products for which both hold."""
        needed: list[BitMap] = []
        refused: list[BitMap] = []
        for each in (query, base):
            needed += [self.postings(tag, each.min_band) for tag in each.all_of]
            needed += [_union([self.postings(tag, each.min_band) for tag in group]) for group in each.any_of]
            refused += [self.postings(tag, Band.REVIEW) for tag in each.none_of]
        needed.sort(key=len)
        found = needed[0] if needed else self.products
        for products in needed[1:]:
            found = found & products
        for products in refused:
            found = found - products
        return found

    def best(
        self, hits: BitMap, weights: Mapping[str, int], band: Band, size: int, after: Ranked | None = None
    ) -> Best:
        """The best `size` of these products after `after`; `weights` are by tag, in `WEIGHT_STEPS`."""
        by_number = {self._number(name): weight for name, weight in weights.items() if weight}
        left_out = {None, *self.filled.blocked}
        numbers = {tag: weight for tag, weight in by_number.items() if tag is not None and tag not in left_out}
        return Ranking(numbers, band, self.filled.postings, self.filled.rows).best(hits, size, after)

    def prepare(self) -> bool:
        """Count among the products of one more common tag, for whoever asks for it. False: there is none left."""
        for tag, postings in enumerate(self.filled.postings):
            if len(postings.auto) > PREPARED and self.filled.known.get(tag) is None:
                self._known(tag)
                return self.filled.known.get(tag) is not None
        return False

    def counts(
        self, query: Query, base: Query = EVERYTHING, facets: Collection[str] = ()
    ) -> dict[str, list[tuple[str, int]]]:
        """How many products have each value of these facets, most first; values of which there are none are left out.

        Each facet is counted as if `query` said nothing about it.
        """
        shared: dict[Query, dict[str, list[int]]] = {}
        for facet in facets:
            shared.setdefault(query.without_facet(facet), {})[facet] = self._numbers(facet)
        found: dict[str, list[tuple[str, int]]] = {}
        for other, same in shared.items():
            counted = self._count(other, base, same)
            for facet, numbers in same.items():
                times = counted[numbers].tolist() if numbers else []
                named = zip(numbers, times, strict=True)
                values = [(value_of(self._tags.tags[at]), each) for at, each in named if each]
                found[facet] = sorted(values, key=lambda each: (-each[1], each[0]))
        return {facet: found[facet] for facet in facets}

    def _count(self, query: Query, base: Query, facets: Mapping[str, Sequence[int]]) -> NDArray[np.int64]:
        """The counts of the tags of these facets, by number of the tag."""
        band, postings = query.min_band, self.filled.postings
        if query.is_empty and base.is_empty:
            everything = np.zeros(len(postings), np.int64)
            for number in chain.from_iterable(facets.values()):
                everything[number] = postings[number].count(band)
            return everything
        only = _only_tag(query, base)
        tag = None if only is None else self._number(only)
        if tag is None or tag in self.filled.blocked:
            return self._without_blocked(self.filled.counting.tagged(self.hits(query, base), band, facets))
        counted, known = np.zeros(len(postings), np.int64), self._known(tag)
        # A tag that came since this was counted has no product in common with it, or it would have been counted again.
        counted[: len(known)] = known[: len(counted)]
        return self._without_blocked(counted)

    def _known(self, tag: int) -> Counts:
        """The counts among the products with a tag in AUTO, by number of the other tags."""
        known = self.filled.known.get(tag)
        if known is None:
            facets = {facet: self._numbers(facet) for facet in self.facets}
            counted = self.filled.counting.tagged(self.filled.postings[tag].auto, Band.AUTO, facets)
            known = counted.astype(np.int32)
            self.filled.known.keep(tag, known)
        return known

    def _without_blocked(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        counts[list(self.filled.blocked)] = 0
        return counts

    def _numbers(self, facet: str) -> list[int]:
        return [number for number in self._tags.facets.get(facet, ()) if number < len(self.filled.postings)]

    def _number(self, tag: str) -> int | None:
        number = self._tags.find(tag)
        return number if number is not None and number < len(self.filled.postings) else None

    def _postings(self, tag: str) -> Postings:
        number = self._number(tag)
        return Postings() if number is None else self.filled.postings[number]


def _only_tag(query: Query, base: Query) -> str | None:
    """The tag that both ask for if it is one alone, in AUTO."""
    alone = query if base.is_empty else base if query.is_empty else None
    if alone is None or alone.min_band is not Band.AUTO or query.min_band is not Band.AUTO:
        return None
    groups = [*((tag,) for tag in alone.all_of), *alone.any_of]
    return groups[0][0] if len(groups) == 1 and len(groups[0]) == 1 and not alone.none_of else None


def _union(parts: Sequence[BitMap]) -> BitMap:
    return parts[0] if len(parts) == 1 else NONE.union(*parts)
