"""Pairs of similar texts, without listing all pairs of a large group of similar texts."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hangtag.trainer.data.shingles import Hashes, Shingles, jaccard, possibly_similar

Places = NDArray[np.intp]

# The number of texts compared at once: enough for numpy to be fast, few enough to stop early once the limit is reached.
_CHUNK = 256


class NearPairs:
    """Pairs of texts with a similarity of `threshold` or more, collected band by band of their LSH keys (`band_keys`).

    Each text is paired with up to `most` earlier texts, and beyond that with one text of each group that it is not yet
    connected to. So the pairs are few, and still connect exactly the texts that all pairs would connect. `keys` has
    the shape (texts, bands).
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
        """The number of texts that reached the limit of pairs; they may have further near duplicates."""
        return int((self._pairs >= self._most).sum())

    def collect(self, band: int) -> None:
        """Compare the texts that have the same key in this band. Call it for each band, in order."""
        for bucket in _buckets(self._keys[:, band]):
            groups = self._group[bucket]
            is_connected = bool((groups == groups[0]).all())
            places = np.flatnonzero(self._pairs[bucket] < self._most) if is_connected else np.arange(len(bucket))
            for at in places.tolist():
                self._compare(int(bucket[at]), bucket[:at], band)

    def _compare(self, text: int, before: Places, band: int) -> None:
        waiting = self._candidates(text, before)
        # Texts that share a key in an earlier band have been compared there.
        waiting = waiting[~(self._keys[waiting, :band] == self._keys[text, :band]).any(axis=1)]
        while len(waiting):
            others, waiting = waiting[:_CHUNK].tolist(), waiting[_CHUNK:]
            for at in possibly_similar(self._texts[text], [self._texts[each] for each in others], self._threshold):
                self._pair(others[at], text)
            waiting = self._candidates(text, waiting)

    def _pair(self, one: int, text: int) -> None:
        if self._pairs[text] >= self._most and self._group[one] == self._group[text]:
            return
        similarity = jaccard(self._texts[one], self._texts[text])
        if similarity >= self._threshold:
            self.found.append((one, text, similarity))
            self._pairs[text] += 1
            self._join(one, text)

    def _candidates(self, text: int, others: Places) -> Places:
        """The others that `text` may still be paired with: all, or, at the limit, those that it is not connected to."""
        if self._pairs[text] < self._most:
            return others
        apart: Places = others[self._group[others] != self._group[text]]
        return apart

    def _join(self, one: int, other: int) -> None:
        groups = sorted(
            {int(self._group[one]), int(self._group[other])}, key=lambda group: len(self._members.get(group, (group,)))
        )
        if len(groups) > 1:
            # Merge the smaller group into the larger one, so that a text changes its group only a few times.
            smaller, larger = groups
            moved = self._members.pop(smaller, [smaller])
            self._group[moved] = larger
            self._members.setdefault(larger, [larger]).extend(moved)


def _buckets(keys: Hashes) -> Iterator[Places]:
    """The places, in order, of each key that occurs twice or more."""
    order = np.argsort(keys, kind="stable")
    ends = np.flatnonzero(np.diff(keys[order])) + 1
    return (bucket for bucket in np.split(order, ends) if len(bucket) > 1)
