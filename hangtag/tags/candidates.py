"""The most likely tags of each facet, whether they are served or not."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hangtag.tags.decoding import Logits
from hangtag.tags.schema import TagSchema
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band

Candidates = tuple[ScoredTag, ...]


def candidates_of(
    schema: TagSchema, log_confidences: Logits, decoded: Sequence[TagSet], count: int
) -> list[Candidates]:
    """For each text the `count` tags of each facet with the highest confidences, without blocked tags.

    `log_confidences` has the shape (texts, tags), and `decoded` holds what was decoded from it. A tag that is neither
    AUTO nor REVIEW there has the band REJECT. Within a facet the most likely tag comes first; the facets are in the
    schema's order.
    """
    allowed = {
        facet.name: np.array([schema.index[tag] for tag in facet.tags if tag not in schema.blocked], np.int64)
        for facet in schema.facets
    }
    best = {
        name: positions[np.argsort(-log_confidences[:, positions], axis=1, kind="stable")[:, :count]]
        for name, positions in allowed.items()
    }
    return [_of_text(schema, best, log_confidences[row], row, tags) for row, tags in enumerate(decoded)]


def _of_text(
    schema: TagSchema, best: dict[str, NDArray[np.int64]], scores: Logits, row: int, tags: TagSet
) -> Candidates:
    shown = {scored.tag: scored for scored in (*tags.tags, *tags.review)}
    return tuple(
        shown.get(tag) or ScoredTag(tag, float(np.exp(scores[position])), Source.MODEL, Band.REJECT)
        for positions in best.values()
        for position in positions[row]
        for tag in [schema.tags[position]]
    )
