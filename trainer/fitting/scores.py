"""Quick figures while training: one F1 per facet, on plain scores (no rules, no thresholds)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.trainer.data.examples import Example
from hangtag.trainer.recipe.recipe import RecipeError

_TAGS_SHOWN = 5


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
            # Micro F1 is that of all cells as one row. Of a column alone "no" would be a class of its own.
            found = f1_score(target.ravel() > 0, scores.ravel() > 0, zero_division=0)
        result[facet.name] = float(found)
    return result


def check_judges(examples: Sequence[Example], schema: TagSchema) -> None:
    """Call before training, which would have no score to choose an epoch by.

    Raises:
        RecipeError: no example is known to fit a tag.
    """
    if not any((example.targets * example.known).any() for example in examples):
        msg = (
            "no validation product judges anything: they carry no tag, only tags that no training product carries, or "
            "several of a single facet. Validate on products with tags such as "
            f"{', '.join(schema.tags[:_TAGS_SHOWN])}"
        )
        raise RecipeError(msg)
