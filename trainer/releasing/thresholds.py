"""Setting the thresholds of a finished bundle anew on labelled products, without training."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hangtag.bundle import Bundle, Manifest, check_place, load_bundle, redecide_bundle
from hangtag.engine import open_engine
from hangtag.tagger.tagger import Tagger
from hangtag.trainer.data.examples import examples_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.query_words_file import query_maker_of
from hangtag.trainer.judging.attributes import words_of_attributes
from hangtag.trainer.judging.decided import decided
from hangtag.trainer.judging.evaluate import (
    Evaluation,
    EvaluationError,
    evaluate_logits,
    figures_of,
    logits_of,
)
from hangtag.trainer.judging.slices import worst_slices
from hangtag.trainer.recipe.recipe import Recipe, RecipeError, Source

# The settings of a recipe that thresholds depend on; the others are those that the bundle was trained with.
_SETTINGS = ("auto_precision", "auto_confidence", "review_precision", "attributes", "words", "queries", "seed")
_MIN_LABELLED = 2


def set_thresholds(
    source: Path,
    folder: Path,
    products: Sequence[LabelledProduct],
    training: Sequence[LabelledProduct],
    recipe: Recipe | None = None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> tuple[Manifest, Evaluation]:
    """Write the bundle in `source` to `folder` with calibration and thresholds set on `products`.

    The words of attribute facets, and those of titles for queries, are learned from `training`. The settings come from
    `recipe`, by default the bundle's own; a list of words for queries is read from the working folder. Weights,
    tokenizer and schema stay the same to the byte.

    Raises:
        QueryWordsError: the recipe's list of words for queries cannot be used.
        RecipeError: the bundle has no recipe that can be used, or the recipe does not fit its schema.
        EvaluationError: too few products are labelled for a facet of the bundle.
        BundleError: `source` holds no undamaged bundle, or `folder` something that is not a bundle.
    """
    check_place(folder)
    bundle = load_bundle(source)
    recipe = recipe or _recipe_of(bundle)
    schema = bundle.schema
    if sum(bool(product.facets & schema.slices.keys()) for product in products) < _MIN_LABELLED:
        msg = (
            f"at least {_MIN_LABELLED} products must be labelled for a facet of the bundle: {', '.join(schema.slices)}"
        )
        raise EvaluationError(msg)
    on_stage("Reading the words of attributes")
    words = words_of_attributes(schema, training, recipe)
    engine = open_engine(bundle, "cpu")
    try:
        tagger = Tagger.of(bundle, engine)
        on_stage("Tagging the products")
        logits = logits_of(tagger, products)
        on_stage("Setting thresholds")
        examples = examples_of(products, schema, bundle.tokenizer)
        queries = query_maker_of(recipe, training, schema, Path())
        found = decided(tagger, logits, products, examples, recipe, words, queries)
        final = replace(bundle, thresholds=found.thresholds, calibration=found.calibration)
        judged = Tagger.of(final, engine)
        evaluation, slices = evaluate_logits(judged, products, logits), worst_slices(judged, products, logits)
    finally:
        engine.close()
    metrics: dict[str, Any] = {
        **bundle.manifest.metrics,
        "validation": figures_of(evaluation),
        "slices": slices,
        **found.metrics,
    }
    settings = recipe.model_dump(mode="json", include=set(_SETTINGS))
    manifest = redecide_bundle(
        source,
        folder,
        thresholds=found.thresholds,
        calibration=found.calibration,
        recipe={**bundle.manifest.recipe, **settings},
        metrics=metrics,
        scope=found.scope,
    )
    return manifest, evaluation


def _recipe_of(bundle: Bundle) -> Recipe:
    """The recipe that the bundle was made with; settings that it does not have are the defaults."""
    try:
        return Recipe.model_validate({"sources": (Source(train=("none",)),), **bundle.manifest.recipe})
    except ValidationError as error:
        msg = "the bundle was trained with settings that this hangtag does not know: name a recipe with --recipe"
        raise RecipeError(msg) from error
