"""Learning tags from a few examples: more rows of the head; everything else stays."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hangtag.bundle import Manifest, write_bundle
from hangtag.trainer.learning.left_out import LeftOut
from hangtag.trainer.learning.lesson import Lesson


def learn_tags(lesson: Lesson, folder: Path, left_out: LeftOut | None = None) -> Manifest:
    """Write a bundle with the lesson's new tags to `folder`; the logits of all other tags stay exactly the same.

    The head gets a row for each, fitted by logistic regression on the frozen encoder's vectors, with the same total
    weight for texts that a tag fits and texts that none fits. In a single facet the rows are fitted relative to the
    other tags' logits. The tags are only served in REVIEW, because a promise for AUTO needs validation products. The
    manifest records what `left_out` found.

    Raises:
        BundleError: `folder` holds something other than a bundle.
    """
    bundle, rows = lesson.bundle, lesson.rows()
    manifest, weights, wide = bundle.manifest, bundle.weights, bundle.weights.wide
    for place in range(lesson.at, lesson.at + len(lesson.new.tags)):
        wide = wide.with_tag_at(place) if wide else None
    places = [lesson.at] * len(lesson.new.tags)
    return write_bundle(
        folder,
        name=manifest.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        base_model=manifest.base_model,
        data_fingerprint=manifest.data_fingerprint,
        recipe=manifest.recipe,
        metrics={**manifest.metrics, "learnt_tags": _learnt(lesson, left_out)},
        encoder=manifest.encoder,
        schema=lesson.schema,
        thresholds=lesson.thresholds,
        calibration=lesson.calibration,
        tokenizer=bundle.tokenizer,
        weights=replace(
            weights,
            head_weight=np.insert(weights.head_weight, places, rows.weights.astype(np.float32), axis=0),
            head_bias=np.insert(weights.head_bias, places, rows.biases.astype(np.float32)),
            wide=wide,
        ),
        scope=bundle.scope,
    )


def _learnt(lesson: Lesson, left_out: LeftOut | None) -> dict[str, Any]:
    manifest = lesson.bundle.manifest
    found = dict(manifest.metrics.get("learnt_tags", {}))
    for at, tag in enumerate(lesson.new.tags):
        found[tag] = {
            "from": manifest.version,
            "examples": int(lesson.fits[:, at].sum()),
            "how": "a guess from its name and a sentence" if lesson.new.is_guess else "examples",
        }
        if left_out is not None:
            found[tag]["left_out"] = left_out.to_json()[tag]
    return found
