"""Quick figures while training: one F1 per facet, on plain scores (no rules, no thresholds)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from hangtag.schema import FacetKind, TagSchema
from trainer.data.examples import Example


def facet_scores(logits: NDArray[np.float32], examples: Sequence[Example], schema: TagSchema) -> dict[str, float]:
    """Weighted F1 of the top tag of single facets, micro F1 at score 0.5 of multi facets, over labelled examples."""
    targets = np.stack([example.targets for example in examples])
    known = np.stack([example.known for example in examples])
    result = {}
    for facet in schema.facets:
        where = schema.slices[facet.name]
        rows = known[:, where].any(axis=1)
        if facet.kind is FacetKind.SINGLE:
            rows &= targets[:, where].any(axis=1)
        if not rows.any():
            continue
        scores, target = logits[rows, where], targets[rows, where]
        if facet.kind is FacetKind.SINGLE:
            found = f1_score(target.argmax(1), scores.argmax(1), average="weighted", zero_division=0)
        else:
            found = f1_score(target, scores > 0, average="micro", zero_division=0)
        result[facet.name] = float(found)
    return result
