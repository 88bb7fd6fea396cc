"""Vectors of texts: kept in few bytes, and made scores again by a bundle with the same weights."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hangtag.bundle import Bundle, bases_of, reading_of
from hangtag.tagger.scores import Scores
from hangtag.tags.decoding import Logits
from hangtag.tags.vector import Vector
from hangtag.text.kind import TextKind
from hangtag.text.understood import UNREAD

_LEVELS = 127
# Parts of a score: at half of one, a confidence changes by 0.00025 at most.
_PER_SCORE = 512
_SCORE = np.dtype("<i2")
_MOST = np.iinfo(_SCORE).max


class VectorsError(ValueError):
    """Vectors were computed with another encoder, tokenizer, head or wide part: the bundle cannot use them."""


class BundleVectors:
    """What a bundle makes of vectors. Threads may share it. What needs time is computed when it is first needed.

    The mean of a text's vectors is kept in 8 bits, the score of each tag in 16. So the score of a tag that was there
    then is the engine's own, to 1/1,024, and that of a tag that was learned since follows from the mean.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def keep(self, scores: Scores) -> list[Vector | None]:
        """The vector of each product, in order; None where a score is too large for it. The scores need means."""
        if scores.means is None:
            msg = "to be kept, vectors have to be computed: call `forward` with `with_means`"
            raise ValueError(msg)
        basis = next(iter(self._bases))
        scale = np.maximum(np.abs(scores.means).max(axis=1), np.finfo(np.float32).tiny) / _LEVELS
        values = np.rint(scores.means / scale[:, None]).astype(np.int8)
        parts = np.rint(scores.logits * np.float32(_PER_SCORE))
        fits = (np.abs(parts) <= _MOST).all(axis=1)
        packed = np.where(fits[:, None], parts, 0).astype(_SCORE)
        understood = scores.understood or [UNREAD] * len(scores)
        return [
            Vector(
                basis,
                float(scale[row]),
                values[row].tobytes(),
                packed[row].tobytes(),
                self.reading,
                tuple(sorted(scores.named[row].get(TextKind.PRODUCT, ()))),
                understood[row].language,
            )
            if fits[row]
            else None
            for row in range(len(scores))
        ]

    def knows(self, vector: Vector) -> bool:
        """True if the bundle can make scores of the vector: its encoder computed it, for tags that the bundle has."""
        tags = self._bases.get(vector.basis)
        if tags is None or len(vector.scores) != _SCORE.itemsize * len(tags):
            return False
        return len(vector.values) == self._bundle.manifest.encoder.hidden and 0 < vector.scale < float("inf")

    def logits(self, vectors: Sequence[Vector]) -> Logits:
        """The scores of each vector, float32 (vectors, tags).

        Raises:
            VectorsError: a vector is not one that the bundle `knows`.
        """
        if not all(map(self.knows, vectors)):
            msg = "a vector was computed with another encoder, tokenizer, head or wide part than the bundle's"
            raise VectorsError(msg)
        logits = np.empty((len(vectors), len(self._bundle.schema.tags)), np.float32)
        for basis, known in self._bases.items():
            rows = np.flatnonzero([each.basis == basis for each in vectors])
            if len(rows):
                some = [vectors[row] for row in rows.tolist()]
                parts = np.frombuffer(b"".join(each.scores for each in some), _SCORE).reshape(len(rows), -1)
                logits[np.ix_(rows, known)] = parts / np.float32(_PER_SCORE)
                learned = np.setdiff1d(np.arange(logits.shape[1]), known)
                logits[np.ix_(rows, learned)] = self._of_head(some, learned)
        return logits

    @cached_property
    def reading(self) -> bytes:
        """The hash of what `named` and `language` of a vector depend on."""
        return reading_of(self._bundle)

    @cached_property
    def _bases(self) -> dict[bytes, NDArray[np.int64]]:
        return bases_of(self._bundle)

    def _of_head(self, vectors: Sequence[Vector], tags: NDArray[np.int64]) -> Logits:
        """The scores of tags of which the wide part knows nothing."""
        weights = self._bundle.weights
        values = np.frombuffer(b"".join(each.values for each in vectors), np.int8).reshape(len(vectors), -1)
        means = values.astype(np.float32)
        means *= np.array([each.scale for each in vectors], np.float32)[:, None]
        result: Logits = means @ weights.head_weight[tags].T + weights.head_bias[tags]
        return result
