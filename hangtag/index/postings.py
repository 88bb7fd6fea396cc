"""Which products have a tag, in each band and at each level of confidence."""

from array import array
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from hangtag.index import levels
from hangtag.index.slots import confidence_of, confidences, in_auto, is_review, tag_numbers
from hangtag.tags.thresholds import Band

NONE = BitMap()
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

    def within(self, band: Band) -> BitMap:
        """Products that have the tag in this band or a better one."""
        return self.auto if band is Band.AUTO or not self.review else self.auto | self.review

    def count(self, band: Band) -> int:
        """How many products have the tag in this band or a better one."""
        return len(self.auto) if band is Band.AUTO else len(self.auto) + len(self.review)

    def best(self, band: Band, last_level: int) -> BitMap:
        """Products that have the tag in this band or a better one, with a confidence of this level or a better one."""
        if last_level >= levels.COUNT - 1:
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
        self._own: set[int] = set()

    def add(self, number: int, slot: int) -> None:
        """A product has the tag of a slot."""
        for at in _places(slot):
            self._map(at).add(number)

    def discard(self, number: int, slot: int) -> None:
        """A product does not have the tag of a slot any more."""
        for at in _places(slot):
            self._map(at).discard(number)

    def finish(self) -> Postings:
        """The postings with the changes; the draft is used up."""
        return Postings(tuple(self._maps))

    def _map(self, at: int) -> BitMap:
        if at not in self._own:
            self._own.add(at)
            # Not `copy`, which also looks for a smaller form of each part and takes ten times as long.
            self._maps[at] = BitMap(self._maps[at], optimize=False)
        return self._maps[at]


class PostingsBuilder:
    """Postings of many products at once."""

    def __init__(self) -> None:
        self._maps: dict[tuple[int, int], BitMap] = {}

    def add(self, numbers: NDArray[Any], slots: NDArray[Any]) -> None:
        """Products, ascending, each as often as it has slots, and their slots."""
        begins_at = tag_numbers(slots).astype(np.int64) * (2 * _BAND) + ~in_auto(slots) * _BAND
        for keys in (begins_at, begins_at + 1 + levels.LEVEL_OF[confidences(slots)]):
            order = np.argsort(keys, kind="stable")
            ordered, found = numbers[order], keys[order]
            begins = np.flatnonzero(np.diff(found, prepend=-1))
            for begin, end in pairwise([*begins.tolist(), len(found)]):
                key = int(found[begin])
                part = bitmap_of(ordered[begin:end])
                place = divmod(key, 2 * _BAND)
                if place in self._maps:
                    self._maps[place] |= part
                else:
                    self._maps[place] = part

    def finish(self, tags: int, left_out: Iterable[int] = ()) -> list[Postings]:
        """The postings of the tags with the numbers below `tags`."""
        found = [[NONE] * (2 * _BAND) for _ in range(tags)]
        for (tag, at), products in self._maps.items():
            found[tag][at] = products
        for tag in left_out:
            found[tag] = [NONE] * (2 * _BAND)
        return [Postings(tuple(maps)) for maps in found]


def bitmap_of(numbers: NDArray[Any]) -> BitMap:
    """Numbers below 2^32 as a bitmap."""
    # pyroaring reads an array of Python's own at once, and one of numpy number by number.
    return BitMap(array("I", numbers.astype(np.uint32).tobytes()), optimize=False)


def _places(slot: int) -> tuple[int, int]:
    begin = _BAND if is_review(slot) else 0
    return begin, begin + 1 + levels.LEVELS[confidence_of(slot)]
