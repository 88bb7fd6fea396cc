"""Which of many texts are nearly the same: pair by pair, and never all pairs of many that are all alike."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hangtag.trainer.data.shingles import Hashes, Shingles, jaccard, within_reach

Places = NDArray[np.intp]

# So many are compared at once: enough that numpy does the work, few where the first of them are pairs already.
_AT_ONCE = 256


class NearPairs:
    """Pairs of texts at or above a threshold, gathered band by band of their keys (`band_keys`).

    Each text is paired with all texts before it, up to `most`; beyond that with one of each group that no pair joins
    it to yet. So the pairs are at most `most` + 1 a text, and still connect exactly the texts that all pairs connect.
    """

    def __init__(self, texts: Sequence[Shingles], keys: Hashes, threshold: float, most: int) -> None:
        self.found: list[tuple[int, int, float]] = []
        self._texts = texts
        self._keys = keys
        self._threshold = threshold
        self._most = most
        self._pairs = np.zeros(len(texts), np.int64)
        self._group = np.arange(len(texts))
        self._members: dict[int, list[int]] = {}

    @property
    def full(self) -> int:
        """How many texts have as many pairs as a text may have: there may be more that are like them."""
        return int((self._pairs >= self._most).sum())

    def gather(self, band: int) -> None:
        """Compare the texts whose keys of this band are the same; bands are taken in order."""
        for bucket in _buckets(self._keys[:, band]):
            groups = self._group[bucket]
            is_one = bool((groups == groups[0]).all())
            places = np.flatnonzero(self._pairs[bucket] < self._most) if is_one else np.arange(len(bucket))
            for at in places.tolist():
                self._compare(int(bucket[at]), bucket[:at], band)

    def _compare(self, text: int, before: Places, band: int) -> None:
        waiting = self._of_use(text, before)
        # What had a key in common in an earlier band was compared there.
        waiting = waiting[~(self._keys[waiting, :band] == self._keys[text, :band]).any(axis=1)]
        while len(waiting):
            others, waiting = waiting[:_AT_ONCE].tolist(), waiting[_AT_ONCE:]
            for at in within_reach(self._texts[text], [self._texts[each] for each in others], self._threshold):
                self._pair(others[at], text)
            waiting = self._of_use(text, waiting)

    def _pair(self, one: int, text: int) -> None:
        if self._pairs[text] >= self._most and self._group[one] == self._group[text]:
            return
        similarity = jaccard(self._texts[one], self._texts[text])
        if similarity >= self._threshold:
            self.found.append((one, text, similarity))
            self._pairs[text] += 1
            self._join(one, text)

    def _of_use(self, text: int, others: Places) -> Places:
        if self._pairs[text] < self._most:
            return others
        apart: Places = others[self._group[others] != self._group[text]]
        return apart

    def _join(self, one: int, other: int) -> None:
        groups = sorted(
            {int(self._group[one]), int(self._group[other])}, key=lambda group: len(self._members.get(group, (group,)))
        )
        if len(groups) > 1:
            # The smaller into the larger: a text changes its group a few times at most.
            smaller, larger = groups
            moved = self._members.pop(smaller, [smaller])
            self._group[moved] = larger
            self._members.setdefault(larger, [larger]).extend(moved)


def _buckets(keys: Hashes) -> Iterator[Places]:
    """Places of keys that are the same, in order, where there are two or more."""
    order = np.argsort(keys, kind="stable")
    ends = np.flatnonzero(np.diff(keys[order])) + 1
    return (bucket for bucket in np.split(order, ends) if len(bucket) > 1)
