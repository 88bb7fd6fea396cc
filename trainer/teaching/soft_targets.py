"""What teachers say of every training product: probabilities that a student learns beside the labels."""

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
from hangtag.trainer.judging.evaluate import scores_of
from hangtag.trainer.recipe.teaching import Distillation
from hangtag.trainer.teaching.teachers import opened_teachers

SoftTargets = NDArray[np.float16]
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class _Columns:
    """A facet's tags that are taught: where they stand in the student's schema, and in each of its teachers'."""

    kind: FacetKind
    student: list[int]
    teachers: dict[int, list[int]]


def soft_targets(
    products: Sequence[LabelledProduct], schema: TagSchema, settings: Distillation, run: RunFolder
) -> SoftTargets:
    """Probabilities of shape (products, tags) at the settings' temperature; not-a-number where nobody teaches.

    A single facet's are a softmax over the tags that all its teachers know, the mean over these teachers. The run's
    folder keeps them for as long as teachers, texts, tags and settings stay.

    Raises:
        RecipeError: a teacher cannot be loaded.
    """
    with opened_teachers(settings.teachers) as taggers:
        key = _key(products, schema, settings, taggers)
        kept = run.soft_targets(key)
        if kept is None:
            kept = _asked(products, schema, settings.temperature, taggers)
            run.write_soft_targets(key, kept)
    if settings.unlabelled:
        return kept
    for facet in schema.facets:
        unlabelled = np.array([facet.name not in product.facets for product in products])
        kept[unlabelled, schema.slices[facet.name]] = np.nan
    return kept


def _asked(
    products: Sequence[LabelledProduct], schema: TagSchema, temperature: float, taggers: Sequence[Tagger]
) -> SoftTargets:
    sums = np.full((len(products), len(schema.tags)), np.nan, np.float32)
    plan = [_columns(facet, schema, taggers) for facet in schema.facets]
    for number, tagger in enumerate(taggers):
        logits = _calibrated(tagger, scores_of(tagger, products)) / temperature
        for columns in plan:
            if number in columns.teachers:
                scores = logits[:, columns.teachers[number]]
                told = softmax(scores, axis=1) if columns.kind is FacetKind.SINGLE else expit(scores)
                so_far = np.nan_to_num(sums[:, columns.student])
                sums[:, columns.student] = so_far + told / len(columns.teachers)
    return sums.astype(np.float16)


def _columns(facet: Facet, schema: TagSchema, taggers: Sequence[Tagger]) -> _Columns:
    indexes = [tagger.bundle.schema.index for tagger in taggers]
    tellers = [at for at, index in enumerate(indexes) if any(tag in index for tag in facet.tags)]
    shared = [tag for tag in facet.tags if all(tag in indexes[at] for at in tellers)] if tellers else []
    if facet.kind is FacetKind.SINGLE and len(shared) < _FEWEST:
        shared = []
    teachers = {at: [indexes[at][tag] for tag in shared] for at in tellers} if shared else {}
    return _Columns(facet.kind, [schema.index[tag] for tag in shared], teachers)


def _calibrated(tagger: Tagger, logits: Logits) -> Logits:
    """Each facet's divided by its temperature, so that teachers are equally sure of what they know equally well."""
    temperatures = tagger.bundle.calibration.entry(TextKind.PRODUCT).temperatures
    for facet in tagger.bundle.schema.facets:
        logits[:, tagger.bundle.schema.slices[facet.name]] /= temperatures[facet.name]
    return logits


def _key(
    products: Sequence[LabelledProduct], schema: TagSchema, settings: Distillation, taggers: Sequence[Tagger]
) -> str:
    told = [str(settings.temperature), *schema.tags, *(tagger.bundle.version for tagger in taggers)]
    told += [part for product in products for part in (product.text.first, product.text.second or "")]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()
