"""Numbers of tags."""

from collections.abc import Sequence

from hangtag.index.slots import MAX_TAG_NUMBER
from hangtag.tags.tag import facet_of


class TagNumbers:
    """Numbers tags in the order in which they first came; numbers are never given again. Any thread may read.

    Attributes:
        tags: by number, from 1 on.
        facets: the numbers of each facet's tags.
    """

    def __init__(self, tags: Sequence[str] = ()) -> None:
        # No tag has the number 0.
        self.tags: list[str] = [""]
        self.facets: dict[str, list[int]] = {}
        self._numbers: dict[str, int] = {}
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
        self.facets.setdefault(facet_of(tag), []).append(number)
        self._numbers[tag] = number
        return number
