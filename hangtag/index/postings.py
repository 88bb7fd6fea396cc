"""Which products have a tag, in each band and at each level of confidence."""

from array import array
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from hangtag.index import levels
from hangtag.index.slots import confidence_of, confidences, in_auto, is_review, tag_numbers
from hangtag.tags.thresholds import Band

# Bitmaps that are changed one day are made so that a copy shares what it does not change.
NONE = BitMap(copy_on_write=True)
# Only of tags with more products than this are the levels kept apart; those of rarer ones are looked at one by one.
LEVELLED = 16_384
# Bitmaps of one band: all products, then one for each level.
_BAND = 1 + levels.COUNT


class Postings:
    """The products of one tag at one moment. Nothing in it ever changes; any thread may read."""

    __slots__ = ("_maps",)

    def __init__(self, maps: tuple[BitMap, ...] = (NONE,) * (2 * _BAND)) -> None:
        self._maps = maps

    @property
    def auto(self) -> BitMap:
        """Products that have the tag in AUTO."""
        return self._maps[0]

    @property
    def review(self) -> BitMap:
        """Products that have the tag in REVIEW."""
        return self._maps[_BAND]

    @property
    def has_levels(self) -> bool:
        """Whether the levels of confidence are kept apart."""
        return any(self._maps[1:_BAND]) or any(self._maps[_BAND + 1 :])

    def within(self, band: Band) -> BitMap:
        """Products that have the tag in this band or a better one."""
        return self.auto if band is Band.AUTO or not self.review else self.auto | self.review

    def count(self, band: Band) -> int:
        """How many products have the tag in this band or a better one."""
        return len(self.auto) if band is Band.AUTO else len(self.auto) + len(self.review)

    def best(self, band: Band, last_level: int) -> BitMap:
        """Products that have the tag in this band or a better one, with a confidence of this level or a better one.

        All of them, whatever the confidence, of a tag that has no levels.
        """
        if last_level >= levels.COUNT - 1 or not self.has_levels:
            return self.within(band)
        parts = self._maps[1 : 2 + last_level]
        if band is Band.REVIEW:
            parts += self._maps[_BAND + 1 : _BAND + 2 + last_level]
        parts = tuple(part for part in parts if part)
        return NONE.union(*parts) if parts else NONE

    def maps(self) -> tuple[BitMap, ...]:
        """The bitmaps, for a `PostingsDraft`."""
        return self._maps


class PostingsDraft:
    """Changes of the postings of one tag. A bitmap is copied before its first change."""

    def __init__(self, before: Postings) -> None:
        self._maps = list(before.maps())
        self._has_levels = before.has_levels
        self._own: set[int] = set()

    def add(self, number: int, slot: int) -> None:
        """A product has the tag of a slot."""
        for at in _places(slot)[: 1 + self._has_levels]:
            self._map(at).add(number)

    def discard(self, number: int, slot: int) -> None:
        """A product does not have the tag of a slot any more."""
        for at in _places(slot)[: 1 + self._has_levels]:
            self._map(at).discard(number)

    def finish(self) -> Postings:
        """The postings with the changes; the draft is used up."""
        return Postings(tuple(self._maps))

    def _map(self, at: int) -> BitMap:
        if at not in self._own:
            self._own.add(at)
            self._maps[at] = sharing(self._maps[at])
        return self._maps[at]


class PostingsBuilder:
    """Postings of many products at once."""

    def __init__(self) -> None:
        self._maps: dict[tuple[int, int], BitMap] = {}
        self._levelled: NDArray[Any] | None = None

    def add(self, numbers: NDArray[Any], slots: NDArray[Any]) -> None:
        """Products, each as often as it has slots, and their slots."""
        self._add(numbers, _begins_at(slots))

    def add_levels(self, numbers: NDArray[Any], slots: NDArray[Any]) -> None:
        """The levels of tags that have more products than `LEVELLED`; called as `add`, once that has got everything."""
        if self._levelled is None:
            many = Counter[int]()
            for (tag, _), products in self._maps.items():
                many[tag] += len(products)
            self._levelled = np.array([tag for tag, count in many.items() if count > LEVELLED], np.int64)
        is_levelled = np.isin(tag_numbers(slots), self._levelled)
        numbers, slots = numbers[is_levelled], slots[is_levelled]
        self._add(numbers, _begins_at(slots) + 1 + levels.LEVEL_OF[confidences(slots)])

    def _add(self, numbers: NDArray[Any], keys: NDArray[Any]) -> None:
        order = np.argsort(keys, kind="stable")
        ordered, found = numbers[order], keys[order]
        begins = np.flatnonzero(np.diff(found, prepend=-1))
        for begin, end in pairwise([*begins.tolist(), len(found)]):
            part = bitmap_of(ordered[begin:end])
            place = divmod(int(found[begin]), 2 * _BAND)
            if place in self._maps:
                self._maps[place] |= part
            else:
                self._maps[place] = part

    def finish(self, tags: int, left_out: Iterable[int] = ()) -> list[Postings]:
        """The postings of the tags with the numbers below `tags`."""
        found = [[NONE] * (2 * _BAND) for _ in range(tags)]
        for (tag, at), products in self._maps.items():
            products.shrink_to_fit()
            found[tag][at] = products
        for tag in left_out:
            found[tag] = [NONE] * (2 * _BAND)
        return [Postings(tuple(maps)) for maps in found]


def bitmap_of(numbers: NDArray[Any]) -> BitMap:
    """Numbers below 2^32 as a bitmap."""
    # pyroaring reads an array of Python's own at once, and one of numpy number by number.
    return BitMap(array("I", numbers.astype(np.uint32).tobytes()), copy_on_write=True, optimize=False)


def sharing(products: BitMap) -> BitMap:
    """A copy that can be changed. Until then each part of it, of 65,536 numbers, is the other's.

    Whoever reads the other meanwhile reads what it was: pyroaring lets no other thread run Python while it works.
    """
    # Not `copy`, which also looks for a smaller form of each part and takes ten times as long.
    return BitMap(products, copy_on_write=True, optimize=False)


def _begins_at(slots: NDArray[Any]) -> NDArray[np.int64]:
    """Where the bitmaps of the tag and the band of each slot begin."""
    begins: NDArray[np.int64] = tag_numbers(slots).astype(np.int64) * (2 * _BAND) + ~in_auto(slots) * _BAND
    return begins


def _places(slot: int) -> tuple[int, int]:
    begin = _BAND if is_review(slot) else 0
    return begin, begin + 1 + levels.LEVELS[confidence_of(slot)]
