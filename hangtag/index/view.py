"""The index at one moment: what readers see while it changes."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from hangtag.index.counts import Counting, Counts, KnownCounts
from hangtag.index.filters import EVERYTHING, Filters
from hangtag.index.ids import Ids
from hangtag.index.postings import Postings
from hangtag.index.query import Query
from hangtag.index.ranking import Best, Ranked, Ranking
from hangtag.index.rows import FrozenRows, Row
from hangtag.index.slots import in_auto, scored, tag_number_of, tag_numbers
from hangtag.index.tag_numbers import TagNumbers
from hangtag.index.values import FrozenValues
from hangtag.tags.tagset import ScoredTag
from hangtag.tags.thresholds import Band

# Among the products of a rarer tag, counting takes less than a millisecond.
PREPARED = 4_000
# The same for pairs of tags: they are asked about one facet at a time.
PREPARED_PAIRS = 16_000


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

    def rows(self, numbers: Sequence[int]) -> list[Row]:
        """The versions of products, and their tags as slots, blocked ones too."""
        return self.filled.rows.rows(numbers)

    def names_of(self, tags: Iterable[str]) -> dict[int, tuple[str, str]]:
        """The facets and values of tags by the numbers that slots have; of those that are known and not blocked."""
        numbers = (self._number(tag) for tag in tags)
        return {
            number: self._tags.names[number]
            for number in numbers
            if number is not None and number not in self.filled.blocked
        }

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
        return self.filters().hits(query, base)

    def filters(self) -> Filters:
        """What finds products for several queries of one request."""
        return Filters(self.products, self.postings)

    def best(
        self, hits: BitMap, weights: Mapping[str, int], band: Band, size: int, after: Ranked | None = None
    ) -> Best:
        """The best `size` of these products after `after`; `weights` are by tag, in `WEIGHT_STEPS`."""
        by_number = {self._number(name): weight for name, weight in weights.items() if weight}
        left_out = {None, *self.filled.blocked}
        numbers = {tag: weight for tag, weight in by_number.items() if tag is not None and tag not in left_out}
        return Ranking(numbers, band, self.filled.postings, self.filled.rows).best(hits, size, after)

    def prepare(self) -> bool:
        """Count among the products of one more common tag or pair of tags, for whoever asks for it.

        Returns False if there is none left, or no room.
        """
        known = self.filled.known
        common = [tag for tag, postings in enumerate(self.filled.postings) if len(postings.auto) > PREPARED]
        for tags in chain(((tag,) for tag in common), self._common_pairs(common)):
            if known.get(tags) is None:
                self._known(tags)
                return known.get(tags) is not None
        return False

    def _common_pairs(self, common: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Pairs of tags that many products have both of, by what is known of single tags."""
        for tag in common:
            counts = self.filled.known.get((tag,))
            if counts is not None:
                others = np.flatnonzero(counts > PREPARED_PAIRS)
                yield from ((tag, other) for other in others[others > tag].tolist())

    def counts(
        self,
        query: Query,
        base: Query = EVERYTHING,
        facets: Collection[str] = (),
        filters: Filters | None = None,
    ) -> dict[str, list[tuple[str, int]]]:
        """How many products have each value of these facets, most first; values of which there are none are left out.

        Each facet is counted as if `query` said nothing about it. `filters`: those of the request, if it has any.
        """
        filters = self.filters() if filters is None else filters
        shared: dict[Query, dict[str, list[int]]] = {}
        for facet in facets:
            shared.setdefault(query.without_facet(facet), {})[facet] = self._numbers(facet)
        found: dict[str, list[tuple[str, int]]] = {}
        for other, same in shared.items():
            counted = self._count(other, base, same, filters)
            for facet in same:
                numbers, values = self._tags.sorted_values(facet, len(self.filled.postings))
                times = counted[numbers]
                order = np.argsort(-times, kind="stable")[: np.count_nonzero(times)]
                named = map(values.__getitem__, order.tolist())
                found[facet] = list(zip(named, times[order].tolist(), strict=True))
        return {facet: found[facet] for facet in facets}

    def _count(
        self, query: Query, base: Query, facets: Mapping[str, Sequence[int]], filters: Filters
    ) -> NDArray[np.int64]:
        """The counts of the tags of these facets, by number of the tag."""
        band, postings = query.min_band, self.filled.postings
        if query.is_empty and base.is_empty:
            everything = np.zeros(len(postings), np.int64)
            for number in chain.from_iterable(facets.values()):
                everything[number] = postings[number].count(band)
            return everything
        known = self._known_for(_only_tags(query, base), facets)
        if known is None:
            return self._without_blocked(self.filled.counting.tagged(filters.hits(query, base), band, facets))
        counted = np.zeros(len(postings), np.int64)
        # A tag that came since this was counted has no product in common with it, or it would have been counted again.
        counted[: len(known)] = known[: len(counted)]
        return self._without_blocked(counted)

    def _known_for(self, names: Sequence[str], facets: Collection[str]) -> Counts | None:
        """The counts of these facets among the products with all of these tags in AUTO, if they are kept."""
        numbers = [self._number(name) for name in names]
        tags = tuple(sorted(number for number in numbers if number is not None))
        if not 0 < len(tags) == len(names) or not self.filled.blocked.isdisjoint(tags):
            return None
        found = self.filled.known.get(tags)
        # For one facet of a pair alone, counting all of them would take many times as long.
        if found is None and (len(tags) == 1 or (len(facets) > 1 and self._is_common_pair(tags))):
            return self._known(tags)
        return found

    def _is_common_pair(self, tags: tuple[int, ...]) -> bool:
        """Whether these are two tags, and many products have both."""
        if any(len(self.filled.postings[tag].auto) <= PREPARED_PAIRS for tag in tags):
            return False
        match tags:
            case (tag, other):
                known = self._known((tag,))
                return other < len(known) and int(known[other]) > PREPARED_PAIRS
        return False

    def _known(self, tags: tuple[int, ...]) -> Counts:
        """The counts among the products with these tags in AUTO, by number of the other tags."""
        known = self.filled.known.get(tags)
        if known is None:
            facets = {facet: self._numbers(facet) for facet in self.facets}
            postings = self.filled.postings
            having = postings[tags[0]].auto
            for tag in tags[1:]:
                having = having & postings[tag].auto
            known = self.filled.counting.tagged(having, Band.AUTO, facets).astype(np.int32)
            self.filled.known.keep(tags, known)
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


def _only_tags(query: Query, base: Query) -> Sequence[str]:
    """The tags that both ask for if that is all that they ask for, in AUTO; else none."""
    if query.min_band is not Band.AUTO or query.none_of or base.none_of:
        return ()
    if base.min_band is not Band.AUTO and not base.is_empty:
        return ()
    groups = [*query.any_of, *base.any_of]
    if any(len(group) > 1 for group in groups):
        return ()
    return list(dict.fromkeys([*query.all_of, *base.all_of, *(tag for [tag] in groups)]))
