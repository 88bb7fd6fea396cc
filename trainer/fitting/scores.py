"""Validation scores during training: one F1 per facet, from logits without rules and thresholds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.trainer.data.examples import Example
from hangtag.trainer.recipe.recipe import RecipeError

_TAGS_SHOWN = 5


def facet_scores(logits: NDArray[np.float32], examples: Sequence[Example], schema: TagSchema) -> dict[str, float]:
    """F1 per facet over labelled examples; facets without any are left out.

    Single facets: weighted F1 of the top tag. Multi facets: micro F1 at probability 0.5. Logits have the shape
    (examples, tags).
    """
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
            # Micro F1 over the flattened cells; scikit-learn would take "no" as a second class of a single column.
            found = f1_score(target.ravel() > 0, scores.ravel() > 0, zero_division=0)
        result[facet.name] = float(found)
    return result


def check_validation(examples: Sequence[Example], schema: TagSchema) -> None:
    """Check, before training, that there is a validation score to choose an epoch by.

    Raises:
        RecipeError: no example has a known tag.
    """
    if not any((example.targets * example.known).any() for example in examples):
        msg = (
            "no validation product can be scored: they have no tag, only tags that no training product has, or several "
            "tags of a single facet. Validate on products with tags such as "
            f"{', '.join(schema.tags[:_TAGS_SHOWN])}"
        )
        raise RecipeError(msg)
