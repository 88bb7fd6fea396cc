"""Numbers of tags."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hangtag.index.slots import MAX_TAG_NUMBER
from hangtag.tags.tag import facet_of, value_of


class FacetValues(NamedTuple):
    """The values of a facet in alphabetical order, and the numbers of their tags."""

    numbers: NDArray[Any]
    values: list[str]


class TagNumbers:
    """Numbers tags in the order in which they first came; numbers are never given again. Any thread may read.

    Attributes:
        tags: by number, from 1 on.
        names: the facets and values of the tags, by number.
        facets: the numbers of each facet's tags.
    """

    def __init__(self, tags: Sequence[str] = ()) -> None:
        # No tag has the number 0.
        self.tags: list[str] = [""]
        self.names: list[tuple[str, str]] = [("", "")]
        self.facets: dict[str, list[int]] = {}
        self._numbers: dict[str, int] = {}
        self._sorted: dict[str, FacetValues] = {}
        for tag in tags:
            self.add(tag)

    def __len__(self) -> int:
        return len(self.tags)

    def find(self, tag: str) -> int | None:
        """The number of a tag; None: no product ever had it."""
        return self._numbers.get(tag)

    def add(self, tag: str) -> int:
        """The number of a tag, a new one if it has none.

        Raises:
            ValueError: there are too many tags.
        """
        found = self._numbers.get(tag)
        if found is not None:
            return found
        number = len(self.tags)
        if number > MAX_TAG_NUMBER:
            msg = f"the index holds at most {MAX_TAG_NUMBER:,} different tags"
            raise ValueError(msg)
        self.tags.append(tag)
        self.names.append((facet_of(tag), value_of(tag)))
        self.facets.setdefault(facet_of(tag), []).append(number)
        self._numbers[tag] = number
        return number

    def sorted_values(self, facet: str, below: int) -> FacetValues:
        """The values of a facet whose tags have numbers smaller than `below`."""
        numbers = self.facets.get(facet, [])
        count, found = bisect_left(numbers, below), self._sorted.get(facet)
        if found is None or len(found.values) != count:
            numbers = sorted(numbers[:count], key=lambda number: self.names[number][1])
            found = FacetValues(np.array(numbers, np.int64), [self.names[number][1] for number in numbers])
            self._sorted[facet] = found
        return found
