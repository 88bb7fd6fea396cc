"""What tokens and n-grams add to the logits of tags."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hangtag.bundle.weights import Weights
from hangtag.tags.schema import FacetKind, TagSchema

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]


class Heads:
    """The head and the wide part of a model. Immutable: threads may share it.

    `compared`: in a single facet, where tags compete, what counts is what is added to a tag more than to the facet's
    tags on average; without it, logits. Tags are given by their positions in the schema.
    """

    def __init__(self, schema: TagSchema, weights: Weights, *, compared: bool) -> None:
        self._wide = weights.wide
        self._head = weights.head_weight.copy()
        counts = [len(facet.tags) for facet in schema.facets]
        self._facets = np.repeat(np.arange(len(counts)), counts)
        self._facet_starts: Positions = np.cumsum(counts, dtype=np.int64) - np.array(counts, np.int64)
        self._sizes = np.array(counts, np.float32)
        is_single = [compared and facet.kind is FacetKind.SINGLE for facet in schema.facets]
        self._is_compared = np.array(is_single, np.bool_)[self._facets]
        for facet in schema.facets:
            if compared and facet.kind is FacetKind.SINGLE:
                where = schema.slices[facet.name]
                self._head[where] -= self._head[where].mean(axis=0)

    def of_tokens(self, vectors: Floats, tags: Positions) -> Floats:
        """What each token adds, from the vectors of all tokens of a text: float32 (tokens, tags)."""
        # Only the rows of these tags: a product with the complete head would cost ten times as much.
        added: Floats = vectors @ self._head[tags].T / np.float32(len(vectors))
        return added

    def of_ngrams(self, rows: NDArray[np.int32], tags: Positions) -> Floats:
        """What each n-gram of the wide part adds if its value is 1: float32 (rows, tags)."""
        result = np.zeros((len(rows), len(tags)), np.float32)
        if self._wide is None:
            return result
        entries = self._wide.entries(rows)
        dense = np.zeros((len(entries.dense), len(self._facets)), np.float32)
        dense[:, : entries.dense.shape[1]] = entries.dense
        columns = _places_among(tags, len(self._facets))[entries.tags]
        # Weights of 0 may only bridge a gap, at the place of another one.
        asked = np.flatnonzero((columns >= 0) & (entries.weights != 0))
        result[entries.places[asked], columns[asked]] = entries.weights[asked]
        result[entries.dense_places] = dense[:, tags]
        compared = np.flatnonzero(self._is_compared[tags])
        if len(compared):
            facets, facet_of = np.unique(self._facets[tags[compared]], return_inverse=True)
            columns = _places_among(facets, len(self._sizes))[self._facets][entries.tags]
            rivals = np.flatnonzero(columns >= 0)
            cells = entries.places[rivals] * len(facets) + columns[rivals]
            shape = len(rows), len(facets)
            sums: NDArray[Any] = np.bincount(cells, entries.weights[rivals], len(rows) * len(facets)).reshape(shape)
            sums[entries.dense_places] = np.add.reduceat(dense, self._facet_starts, axis=1)[:, facets]
            result[:, compared] -= (sums / self._sizes[facets])[:, facet_of]
        return result


def _places_among(chosen: Positions, count: int) -> Positions:
    """For each of `count` positions its place among the chosen ones; -1: it is not chosen."""
    places = np.full(count, -1, np.int64)
    places[chosen] = np.arange(len(chosen))
    return places
