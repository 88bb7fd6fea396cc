"""The best of many products, without looking at all of them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from hangtag.index import levels
from hangtag.index.counts import numbers_of
from hangtag.index.postings import Postings
from hangtag.index.rows import FrozenRows
from hangtag.index.slots import CONFIDENCE_STEPS, TAG_SHIFT, confidences, in_auto, tag_numbers
from hangtag.tags.thresholds import Band

# Steps of a weight: scores are whole numbers, so that equal ones are equal however they were added up.
WEIGHT_STEPS = 1_000_000
SCORE_STEPS = CONFIDENCE_STEPS * WEIGHT_STEPS
# Up to so many products are looked at one by one, and with each tag after the second up to so many more: to find those
# that are good in all tags takes longer, the more tags there are.
_FEW = 16_384
_SAMPLE = 16_384
# More than these are never looked at one by one; the best are then taken from the most promising ones.
MOST_SCORED = 200_000
_MOST_PARTS = 64
# Up to so many tags are looked for one after the other; of more, all tags of the products are looked up in a table.
_FEW_TAGS = 6
# Products whose scores are added up at a time: their tags fit into the cache.
_AT_ONCE = 8_192
# So many scores give a first bound of the best ones.
_SOME = 2_048
# How far below the best possible confidence products are looked for first, in levels.
_STEPS = (*range(0, levels.EXACT, 2), *range(levels.EXACT + 3, levels.COUNT, 4), levels.COUNT - 1)


class Ranked(NamedTuple):
    """A product's score, in steps, and its number. Larger scores come first, of equal ones the smaller number."""

    score: int
    number: int

    @property
    def key(self) -> tuple[int, int]:
        """Ascends in the order of the products."""
        return -self.score, self.number


class Best(NamedTuple):
    """The best products; `is_sampled`: of a part of them."""

    products: list[Ranked]
    is_sampled: bool


class Ranking:
    """Orders products by the sum of confidence times weight over their tags.

    `weights` are in steps, by number of tag, none of them 0. Only tags in `band` or a better one count.
    """

    def __init__(self, weights: Mapping[int, int], band: Band, postings: Sequence[Postings], rows: FrozenRows) -> None:
        self._weights = dict(weights)
        self._band = band
        self._postings = postings
        self._rows = rows
        self._table = np.zeros(len(postings), np.float64)
        for tag, weight in self._weights.items():
            self._table[tag] = weight
        self._is_weighted = self._table != 0
        self._few = _FEW * max(1, len(weights) - 1)

    def best(self, hits: BitMap, count: int, after: Ranked | None = None) -> Best:
        """The best `count` products that come after `after`, in their order."""
        if not self._weights:
            return Best([Ranked(0, number) for number in _following(hits, count, after)], is_sampled=False)
        if len(hits) <= self._few:
            return Best(self._ordered(numbers_of(hits), count, after), is_sampled=False)
        parts, others = self._parts(hits)
        parts.sort(key=lambda part: -self._bound(part.tags))
        if others:
            return self._best_of_many(parts, self._bound(others), count, after)
        found: list[Ranked] = []
        is_sampled = False
        for products, tags in parts:
            if len(found) >= count and found[count - 1].score > self._bound(tags):
                break
            more = self._best_of_part(products, tags, count, after)
            is_sampled |= more.is_sampled
            found = _merged(found, more.products, count)
        return Best(found, is_sampled)

    def _bound(self, tags: Iterable[int]) -> int:
        return sum(self._weights[tag] for tag in tags) * CONFIDENCE_STEPS

    def _parts(self, hits: BitMap) -> "tuple[list[_Part], list[int]]":
        """The products by which of the tags they have; and the tags that are left when there are too many parts."""
        parts = [_Part(hits, ())]
        tags = sorted(self._weights, key=lambda each: -self._weights[each])
        for at, tag in enumerate(tags):
            if len(parts) > _MOST_PARTS:
                return parts, tags[at:]
            having = self._postings[tag].within(self._band)
            split = []
            for products, had in parts:
                both = products & having
                if both:
                    split.append(_Part(both, (*had, tag)))
                if len(both) < len(products):
                    split.append(_Part(products - both if both else products, had))
            parts = split
        return parts, []

    def _best_of_many(self, parts: "list[_Part]", more: int, count: int, after: Ranked | None) -> Best:
        """The best products of parts, the most promising first, whose products can have up to `more` than is known."""
        found: list[Ranked] = []
        room = MOST_SCORED
        for products, tags in parts:
            if len(found) >= count and found[count - 1].score > self._bound(tags) + more:
                break
            if not room:
                return Best(found, is_sampled=True)
            numbers = numbers_of(products)[:room]
            room -= len(numbers)
            found = _merged(found, self._ordered(numbers, count, after), count)
            if len(numbers) < len(products):
                return Best(found, is_sampled=True)
        return Best(found, is_sampled=False)

    def _best_of_part(self, products: BitMap, tags: tuple[int, ...], count: int, after: Ranked | None) -> Best:
        if not tags:
            return Best([Ranked(0, n) for n in _following(products, count, _within(after, 0))], is_sampled=False)
        if len(products) <= self._few:
            return Best(self._ordered(numbers_of(products), count, after), is_sampled=False)
        most = self._bound(tags)
        largest = max(self._weights[tag] for tag in tags)
        for step in _STEPS:
            short = levels.STARTS[step] * largest
            near = self._near(products, tags, short)
            if len(near) < count:
                continue
            # Of a tag without levels, `near` has products of any confidence.
            is_exact = not short and all(self._postings[tag].has_levels for tag in tags)
            if is_exact and (after is None or after.score >= most):
                equal = _following(near, count, _within(after, most))
                if len(equal) == count:
                    return Best([Ranked(most, number) for number in equal], is_sampled=False)
            sample = numbers_of(near)
            sample = sample if after else sample[:_SAMPLE]
            some = self._ordered(sample[:MOST_SCORED], count, after)
            if len(some) == count:
                near = self._near(products, tags, most - some[-1].score)
                break
        else:
            near = products
        looked_at = near
        if len(near) > MOST_SCORED and after is None:
            looked_at = self._nearest(near, tags, count)
        numbers = numbers_of(looked_at)[:MOST_SCORED]
        return Best(self._ordered(numbers, count, after), is_sampled=len(numbers) < len(near))

    def _nearest(self, products: BitMap, tags: tuple[int, ...], count: int) -> BitMap:
        """Of these products those that are good in all tags, as many as can be looked at and at least `count`."""
        largest = max(self._weights[tag] for tag in tags)
        for step in reversed(_STEPS):
            near = self._near(products, tags, levels.STARTS[step] * largest)
            if len(near) <= MOST_SCORED:
                return near if len(near) >= count else products
        return products

    def _near(self, products: BitMap, tags: tuple[int, ...], short: int) -> BitMap:
        """All products of which no tag is so far below the best that this alone makes the score `short` smaller."""
        for tag in tags:
            deficit = short / self._weights[tag]
            if deficit < CONFIDENCE_STEPS:
                products = products & self._postings[tag].best(self._band, levels.level_within(deficit))
        return products

    def _ordered(self, numbers: NDArray[Any], count: int, after: Ranked | None) -> list[Ranked]:
        scores = self._scores(numbers)
        if after is not None:
            is_after = (scores < after.score) | ((scores == after.score) & (numbers > after.number))
            numbers, scores = numbers[is_after], scores[is_after]
        for looked_at in (_SOME, len(scores)):
            some = scores[:looked_at]
            if len(some) > count:
                is_best = scores >= np.partition(some, len(some) - count)[len(some) - count]
                numbers, scores = numbers[is_best], scores[is_best]
        order = np.lexsort((numbers, -scores))[:count]
        return [
            Ranked(int(score), number)
            for score, number in zip(scores[order].tolist(), numbers[order].tolist(), strict=True)
        ]

    def _scores(self, numbers: NDArray[Any]) -> NDArray[Any]:
        by_table = len(self._weights) > _FEW_TAGS
        scores = np.empty(len(numbers))
        for first in range(0, len(numbers), _AT_ONCE):
            slots = self._rows.gather(numbers[first : first + _AT_ONCE])
            scores[first : first + _AT_ONCE] = self._by_table(slots) if by_table else self._by_tag(slots)
        return scores

    def _by_tag(self, slots: NDArray[np.uint32]) -> NDArray[Any]:
        lines = np.ascontiguousarray(slots.T)
        scores = np.zeros(len(slots))
        for tag, weight in self._weights.items():
            # Slots of other tags are further above, those of smaller numbers too: below 0 it goes on from the top.
            own = np.minimum.reduce(lines - np.uint32(tag << TAG_SHIFT), axis=0)
            is_counted = own < 1 << TAG_SHIFT
            if self._band is Band.AUTO:
                is_counted &= in_auto(own)
            scores += confidences(own) * is_counted * float(weight)
        return scores

    def _by_table(self, slots: NDArray[np.uint32]) -> NDArray[Any]:
        # The products are of this view, so their tags are among those of `_table`.
        is_counted = self._is_weighted.take(tag_numbers(slots))
        if self._band is Band.AUTO:
            is_counted &= in_auto(slots)
        places = np.flatnonzero(is_counted)
        counted = slots.reshape(-1)[places]
        worth = self._table.take(tag_numbers(counted)) * confidences(counted)
        return np.bincount(places // slots.shape[1], worth, len(slots))


class _Part(NamedTuple):
    products: BitMap
    tags: tuple[int, ...]


def _merged(found: list[Ranked], more: list[Ranked], count: int) -> list[Ranked]:
    return sorted([*found, *more], key=lambda each: each.key)[:count]


def _within(after: Ranked | None, score: int) -> Ranked | None:
    """Where products of one score begin, None if with the first; they must not all come before `after`."""
    return after if after is not None and after.score == score else None


def _following(products: BitMap, count: int, after: Ranked | None) -> list[int]:
    first = 0 if after is None else after.number + 1
    return list(islice(products.iter_equal_or_larger(first), count))
