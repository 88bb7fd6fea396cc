"""Texts as sets of shingles with their MinHash keys, on disk."""

import re

import numpy as np
from numpy.typing import NDArray

from hangtag.text.product_text import ProductText
from hangtag.trainer.data.keys import Keys
from hangtag.trainer.data.shingles import Hashes, Shingles, band_keys, count_of_bands, shingles_of
from hangtag.trainer.files.disk_array import DiskArray, Places, RaggedDiskArray

_AT_ONCE = 256
_BREAKS = re.compile(r"[\W_]+")


class Sketches:
    """What is compared of texts, for the similarity `threshold`; places are those in the order of adding.

    For each text, some 4 bytes a character and 300 bytes are on disk, and one byte is in memory. The keys are there
    twice: by text, and by band.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self.texts = Keys()
        self.bands = [Keys() for _ in range(count_of_bands(threshold))]
        self._keys = DiskArray(np.uint64, len(self.bands))
        self._shingles = RaggedDiskArray(np.uint32)
        self._is_empty = bytearray()
        self._waiting: list[str] = []

    def __len__(self) -> int:
        return len(self._is_empty)

    def add(self, text: ProductText) -> None:
        """Add a text; case, spaces and punctuation make no difference.

        Raises:
            TemporarySpaceError: the disk is full.
        """
        plain = _BREAKS.sub(" ", f"{text.first} {text.second}".casefold()).strip()
        self.texts.append(plain)
        self._is_empty.append(not plain)
        self._waiting.append(plain)
        if len(self._waiting) >= _AT_ONCE:
            self._compute()

    def finish(self) -> None:
        """Write what waits in memory; texts can be compared from now on."""
        self._compute()
        self._shingles.flush()
        self._keys.flush()

    def _compute(self) -> None:
        sets = shingles_of(self._waiting)
        keys = band_keys(sets, self._threshold)
        for shingles in sets:
            self._shingles.append(shingles)
        self._keys.extend(keys)
        for band, its_keys in zip(self.bands, keys.T, strict=True):
            band.extend(its_keys)
        self._waiting.clear()

    @property
    def has_text(self) -> NDArray[np.bool_]:
        """Which texts are not empty, of shape (texts,)."""
        return ~np.frombuffer(self._is_empty, np.bool_)

    def shingles(self, place: int) -> Shingles:
        """The shingles of a text."""
        return self._shingles[place]

    def keys(self, places: Places) -> Hashes:
        """The keys of texts, of shape (texts, bands)."""
        return self._keys.rows(places)
