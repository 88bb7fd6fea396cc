"""Pairs of similar texts, without listing all pairs of a large group of similar texts."""

import numpy as np
from numpy.typing import NDArray

from hangtag.trainer.data.linked import Linked
from hangtag.trainer.data.shingles import Hashes, jaccard, possibly_similar
from hangtag.trainer.data.sketches import Sketches
from hangtag.trainer.files.disk_array import Places
from hangtag.trainer.files.disk_list import DiskList

# The number of texts compared at once: enough for numpy to be fast, few enough to stop early once the limit is reached.
_CHUNK = 256
# Texts of which what is compared is in memory while others with the same key are compared with them.
_HELD = 4_096


class NearPairs:
    """Pairs of texts with a similarity of `threshold` or more, collected band by band of their LSH keys.

    Each text is paired with up to `most` earlier texts, and beyond that with one text of each group that it is not yet
    connected to. So the pairs are few, and still connect exactly the texts that all pairs would connect. `among`, of
    shape (texts,), says which texts are compared. `found` has the pairs, as two places and the similarity.
    """

    def __init__(self, sketches: Sketches, among: NDArray[np.bool_], threshold: float, most: int) -> None:
        self.found: DiskList[tuple[int, int, float]] = DiskList()
        self._sketches = sketches
        self._among = among
        self._threshold = threshold
        self._most = most
        # Up to the limit: one byte a text.
        self._pairs = np.zeros(len(sketches), np.min_scalar_type(most))
        self._linked = Linked(len(sketches))

    @property
    def full(self) -> int:
        """The number of texts that reached the limit of pairs; they may have further near duplicates."""
        return int((self._pairs[self._among] >= self._most).sum())

    def collect(self, band: int) -> None:
        """Compare the texts that have the same key in this band. Call it for each band, in order."""
        for bucket in self._sketches.bands[band].equal(self._among):
            groups = self._linked.groups(bucket)
            is_connected = bool((groups == groups[0]).all())
            places = np.flatnonzero(self._pairs[bucket] < self._most) if is_connected else np.arange(len(bucket))
            if len(places):
                its_texts = _Held(self._sketches, bucket, band)
                for at in places.tolist():
                    self._compare(its_texts, at)

    def _compare(self, texts: "_Held", text: int) -> None:
        """Compare a text with those before it; all are places in the bucket."""
        waiting = self._candidates(texts, text, np.arange(text))
        if not len(waiting):
            return
        # Texts that share a key in an earlier band have been compared there.
        waiting = waiting[~(texts.keys(waiting) == texts.keys(np.array([text]))).any(axis=1)]
        while len(waiting):
            others, waiting = waiting[:_CHUNK].tolist(), waiting[_CHUNK:]
            its_shingles = texts.shingles(text)
            for at in possibly_similar(its_shingles, [texts.shingles(each) for each in others], self._threshold):
                self._pair(texts, others[at], text)
            waiting = self._candidates(texts, text, waiting)

    def _pair(self, texts: "_Held", at: int, at_text: int) -> None:
        one, text = int(texts.places[at]), int(texts.places[at_text])
        if self._pairs[text] >= self._most and self._linked.group(one) == self._linked.group(text):
            return
        similarity = jaccard(texts.shingles(at), texts.shingles(at_text))
        if similarity >= self._threshold:
            self.found.append((one, text, similarity))
            self._pairs[text] = min(int(self._pairs[text]) + 1, self._most)
            self._linked.join(one, text)

    def _candidates(self, texts: "_Held", text: int, others: Places) -> Places:
        """The others that `text` may still be paired with: all, or, at the limit, those that it is not connected to."""
        place = int(texts.places[text])
        if self._pairs[place] < self._most:
            return others
        apart: Places = others[self._linked.groups(texts.places[others]) != self._linked.group(place)]
        return apart


class _Held:
    """What is compared of the texts with the same key: read once for as many of them as are held in memory."""

    def __init__(self, sketches: Sketches, places: Places, band: int) -> None:
        self.places = places
        self._sketches = sketches
        self._band = band
        self._keys = sketches.keys(places[:_HELD])[:, :band]
        self._shingles: dict[int, NDArray[np.uint32]] = {}

    def keys(self, at: Places) -> Hashes:
        """The keys in earlier bands, of shape (texts, earlier bands)."""
        if not len(at) or at.max() < _HELD:
            return self._keys[at]
        return self._sketches.keys(self.places[at])[:, : self._band]

    def shingles(self, at: int) -> NDArray[np.uint32]:
        """The shingles of a text."""
        if at not in self._shingles:
            found = self._sketches.shingles(int(self.places[at]))
            if len(self._shingles) >= _HELD:
                return found
            self._shingles[at] = found
        return self._shingles[at]
