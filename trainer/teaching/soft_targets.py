"""Soft targets: the teachers' probabilities for every training product, learnt in addition to the labels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from hangtag.tagger.tagger import Tagger
from hangtag.tags.decoding import Logits
from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.text.kind import TextKind
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.files.run_folder import RunFolder
from hangtag.trainer.judging.evaluate import logits_of
from hangtag.trainer.recipe.teaching import Distillation
from hangtag.trainer.teaching.teachers import opened_teachers

SoftTargets = NDArray[np.float16]
# A softmax needs two tags.
_MIN_TAGS = 2


@dataclass(frozen=True, slots=True)
class _SharedTags:
    """A facet's tags that its teachers have: their positions in the student's schema and in each teacher's."""

    kind: FacetKind
    student: list[int]
    teachers: dict[int, list[int]]


def soft_targets(
    products: Sequence[LabelledProduct], schema: TagSchema, settings: Distillation, run: RunFolder
) -> SoftTargets:
    """The teachers' probabilities at the settings' temperature, of shape (products, tags), NaN where there is none.

    In a single facet they are the mean, over the teachers that have the facet, of a softmax over the tags that all
    these teachers have. They are cached in the run's folder for the same teachers, texts, tags and settings.

    Raises:
        RecipeError: a teacher cannot be loaded.
    """
    with opened_teachers(settings.teachers) as taggers:
        key = _key(products, schema, settings, taggers)
        kept = run.soft_targets(key)
        if kept is None:
            kept = _predicted(products, schema, settings.temperature, taggers)
            run.write_soft_targets(key, kept)
    if settings.unlabelled:
        return kept
    for facet in schema.facets:
        unlabelled = np.array([facet.name not in product.facets for product in products])
        kept[unlabelled, schema.slices[facet.name]] = np.nan
    return kept


def _predicted(
    products: Sequence[LabelledProduct], schema: TagSchema, temperature: float, taggers: Sequence[Tagger]
) -> SoftTargets:
    sums = np.full((len(products), len(schema.tags)), np.nan, np.float32)
    facets = [_shared_tags(facet, schema, taggers) for facet in schema.facets]
    for number, tagger in enumerate(taggers):
        logits = _calibrated(tagger, logits_of(tagger, products)) / temperature
        for shared in facets:
            if number in shared.teachers:
                scores = logits[:, shared.teachers[number]]
                probabilities = softmax(scores, axis=1) if shared.kind is FacetKind.SINGLE else expit(scores)
                so_far = np.nan_to_num(sums[:, shared.student])
                sums[:, shared.student] = so_far + probabilities / len(shared.teachers)
    return sums.astype(np.float16)


def _shared_tags(facet: Facet, schema: TagSchema, taggers: Sequence[Tagger]) -> _SharedTags:
    indexes = [tagger.bundle.schema.index for tagger in taggers]
    having = [at for at, index in enumerate(indexes) if any(tag in index for tag in facet.tags)]
    shared = [tag for tag in facet.tags if all(tag in indexes[at] for at in having)] if having else []
    if facet.kind is FacetKind.SINGLE and len(shared) < _MIN_TAGS:
        shared = []
    teachers = {at: [indexes[at][tag] for tag in shared] for at in having} if shared else {}
    return _SharedTags(facet.kind, [schema.index[tag] for tag in shared], teachers)


def _calibrated(tagger: Tagger, logits: Logits) -> Logits:
    """Divide each facet's logits by its temperature, in place, so that the teachers' confidences are comparable."""
    temperatures = tagger.bundle.calibration.entry(TextKind.PRODUCT).temperatures
    for facet in tagger.bundle.schema.facets:
        logits[:, tagger.bundle.schema.slices[facet.name]] /= temperatures[facet.name]
    return logits


def _key(
    products: Sequence[LabelledProduct], schema: TagSchema, settings: Distillation, taggers: Sequence[Tagger]
) -> str:
    parts = [str(settings.temperature), *schema.tags, *(tagger.bundle.version for tagger in taggers)]
    parts += [part for product in products for part in (product.text.first, product.text.second or "")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
