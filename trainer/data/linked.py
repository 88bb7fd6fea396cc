"""Places that are linked, directly or through others: union-find in one array."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hangtag.trainer.files.disk_array import AT_ONCE, Places


class Linked:
    """Groups of the places 0 to `count` - 1; a group is named by its first place. 4 bytes a place."""

    def __init__(self, count: int) -> None:
        self._above = np.arange(count, dtype=np.int32)

    def __len__(self) -> int:
        return len(self._above)

    def join(self, one: int, other: int) -> None:
        """Make one group of the groups of two places."""
        low, high = sorted((self.group(one), self.group(other)))
        self._above[high] = low

    def join_all(self, places: Places) -> None:
        """Make one group of the groups of all these places, in order."""
        first = int(places[0])
        for place in places[1:].tolist():
            self.join(first, place)

    def group(self, place: int) -> int:
        """The group of a place."""
        above = self._above
        while (higher := int(above[place])) != place:
            above[place] = above[higher]  # halves the way for the next question
            place = higher
        return place

    def groups(self, places: Places) -> Places:
        """The groups of places, of shape (places,)."""
        found = self._above[places]
        while not np.array_equal(higher := self._above[found], found):
            found = higher
        self._above[places] = found
        return found.astype(np.int64)

    def blocks(self) -> Iterator[tuple[int, Places]]:
        """The groups of all places in order: the first place of each block, and the block's groups."""
        for start in range(0, len(self), AT_ONCE):
            yield start, self.groups(np.arange(start, min(start + AT_ONCE, len(self))))

    def sizes(self) -> NDArray[np.int32]:
        """The number of places in the group that each place names; 0 for places that name none."""
        counts = np.zeros(len(self), np.int32)
        for _, groups in self.blocks():
            names, found = np.unique(groups, return_counts=True)
            counts[names] += found.astype(np.int32)
        return counts

    def members(self) -> list[list[int]]:
        """The places of each group, in memory; groups by their first place."""
        result: dict[int, list[int]] = {}
        for start, groups in self.blocks():
            for place, group in enumerate(groups.tolist(), start):
                result.setdefault(group, []).append(place)
        return [result[group] for group in sorted(result)]
