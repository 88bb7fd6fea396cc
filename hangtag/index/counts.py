"""How many of the products that were found have each tag."""

from collections.abc import Mapping, Sequence
from itertools import chain, combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from hangtag.index.postings import Postings
from hangtag.index.rows import FrozenRows
from hangtag.index.slots import in_auto, tag_numbers
from hangtag.index.values import FrozenValues
from hangtag.tags.thresholds import Band

# Looking at the rows of so many products costs as much as looking at the products of one tag.
FEW = 200
# Of more products than this part of all, and more than this part for each tag of a facet, looking at the values takes
# longer than looking at the products of the tags.
_DENSE = 0.1
_DENSE_A_TAG = 0.003
# Numbers that are kept, at most.
_MOST_CELLS = 2_000_000

Counts = NDArray[np.int32]
# Numbers of tags, ascending.
Tags = tuple[int, ...]


class KnownCounts:
    """Counts among the products that have one tag in AUTO, or both of a pair, by the numbers of these tags, ascending.

    Readers add what they have counted, and the next view has it too: the writer keeps it in step with the changes.
    """

    def __init__(self, rows: "dict[Tags, Counts] | None" = None) -> None:
        self._rows = {} if rows is None else rows

    def get(self, tags: Tags) -> Counts | None:
        """The counts among the products with these tags, if they are known."""
        return self._rows.get(tags)

    def keep(self, tags: Tags, counts: Counts) -> None:
        """Keep what was counted. It is never changed."""
        # Half of the room is for single tags: more searches need them.
        if (len(self._rows) + 1) * len(counts) * len(tags) <= _MOST_CELLS:
            self._rows[tags] = counts

    def changing(self) -> "CountsDraft":
        """These counts, to be changed for the next view."""
        return CountsDraft(self._rows.copy())


class CountsDraft:
    """Counts that follow changes. A row is copied before its first change."""

    def __init__(self, rows: dict[Tags, Counts]) -> None:
        self._rows = rows
        self._own: set[Tags] = set()

    def replace(self, old: Sequence[int], new: Sequence[int], tags: int) -> None:
        """A product had the tags `old` in AUTO and has `new` now; there are `tags` tags."""
        if not self._rows:
            return
        gone, come = sorted({*old} - {*new}), sorted({*new} - {*old})
        if not gone and not come:
            return
        # Where a product stays among those that are counted, only what is different counts.
        before, after = self._containing(old), self._containing(new)
        for among, numbers, step in (
            (before & after, gone, -1),
            (before & after, come, 1),
            (before - after, list(old), -1),
            (after - before, list(new), 1),
        ):
            for each in among if numbers else ():
                self._row(each, tags)[numbers] += step

    def finish(self) -> KnownCounts:
        """The counts with the changes; the draft is used up."""
        return KnownCounts(self._rows)

    def _containing(self, tags: Sequence[int]) -> set[Tags]:
        """What is counted of a product with these tags: those of its tags, and pairs of them, that are known."""
        if len(tags) ** 2 > 2 * len(self._rows):
            return {each for each in self._rows if set(tags).issuperset(each)}
        found: set[Tags] = {(tag,) for tag in tags}
        found.update(combinations(sorted(tags), 2))
        return found & self._rows.keys()

    def _row(self, among: Tags, tags: int) -> Counts:
        row = self._rows[among]
        if among not in self._own or len(row) < tags:
            self._own.add(among)
            row = np.concatenate([row, np.zeros(tags - len(row), np.int32)]) if len(row) < tags else row.copy()
            self._rows[among] = row
        return row


class Counting(NamedTuple):
    """What products are counted with, at one moment."""

    postings: Sequence[Postings]
    rows: FrozenRows
    values: FrozenValues
    products: int

    def tagged(self, hits: BitMap, band: Band, facets: Mapping[str, Sequence[int]]) -> NDArray[np.int64]:
        """How many of these products have each tag of these facets in this band or a better one, by number of the tag.

        `facets` has the numbers of each facet's tags, in their order.
        """
        found = np.zeros(len(self.postings), np.int64)
        by_values: dict[str, Sequence[int]] = {}
        by_products: list[int] = []
        by_postings: list[int] = []
        for facet, tags in facets.items():
            if facet in self.values and len(hits) <= self.products * max(_DENSE, _DENSE_A_TAG * len(tags)):
                by_values[facet] = tags
            elif len(hits) <= FEW * len(tags):
                by_products += tags
            else:
                by_postings += tags
        if by_values:
            found += self.values.count(numbers_of(hits), by_values, self.rows, len(found))
            if band is Band.REVIEW:
                for tag in chain.from_iterable(by_values.values()):
                    found[tag] += self.postings[tag].review.intersection_cardinality(hits)
        if by_products:
            found[by_products] = self._by_products(hits, band)[by_products]
        for tag in by_postings:
            found[tag] = self.postings[tag].auto.intersection_cardinality(hits)
            if band is Band.REVIEW:
                found[tag] += self.postings[tag].review.intersection_cardinality(hits)
        return found

    def _by_products(self, hits: BitMap, band: Band) -> NDArray[np.int64]:
        slots = self.rows.gather(numbers_of(hits))
        found = tag_numbers(slots)
        if band is Band.AUTO:
            found *= in_auto(slots)  # no tag has the number 0
        tags = len(self.postings)
        return np.bincount(found.reshape(-1), minlength=tags)[:tags]


def numbers_of(hits: BitMap) -> NDArray[Any]:
    """The numbers in a bitmap, ascending."""
    return np.frombuffer(hits.to_array(), np.uint32)
