"""Everything that is decided about a bundle's answers after training: for products, for queries, and the scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hangtag.bundle import Scope
from hangtag.tagger.tagger import Tagger
from hangtag.tags.decoding import Logits
from hangtag.tags.keyed import ScoringPath
from hangtag.tags.thresholds import KeyedCalibration, KeyedThresholds
from hangtag.text.kind import TextKind
from hangtag.trainer.data.examples import Example
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.query_texts import QueryMaker
from hangtag.trainer.judging.attributes import Words
from hangtag.trainer.judging.evaluate import logits_of_texts, scope_scores_of
from hangtag.trainer.judging.judge import judge
from hangtag.trainer.judging.queries import for_queries, judge_queries, query_texts_of
from hangtag.trainer.judging.scope import judge_scope
from hangtag.trainer.recipe.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Decided:
    """Calibration and thresholds by kind of text, the scope, and the manifest's figures about them."""

    calibration: KeyedCalibration
    thresholds: KeyedThresholds
    scope: Scope | None
    metrics: dict[str, Any]


def decided(
    tagger: Tagger,
    logits: Logits,
    products: Sequence[LabelledProduct],
    examples: Sequence[Example],
    recipe: Recipe,
    words: Words,
    queries: QueryMaker | None,
) -> Decided:
    """Decide on labelled products that were not trained on; `logits` are theirs, of shape (products, tags).

    With `queries`, texts made from these products decide for what people type.
    """
    schema, scope = tagger.bundle.schema, tagger.bundle.scope
    judged = judge(logits, products, examples, schema, recipe, words, lambda texts: logits_of_texts(tagger, texts))
    metrics = judged.metrics(recipe)
    calibrations = {TextKind.PRODUCT: {ScoringPath.FULL: judged.calibration}}
    thresholds = {TextKind.PRODUCT: {ScoringPath.FULL: judged.decisions.thresholds}}
    if queries is not None and recipe.queries is not None:
        asked, off_topic = query_texts_of(queries, products, recipe.queries, recipe.seed)
        if asked:
            its_recipe = for_queries(recipe)
            of_queries = judge_queries(tagger, asked, off_topic, its_recipe, words)
            calibrations[TextKind.QUERY] = {ScoringPath.FULL: of_queries.calibration}
            thresholds[TextKind.QUERY] = {ScoringPath.FULL: of_queries.decisions.thresholds}
            metrics["queries"] = of_queries.metrics(its_recipe)
        if asked and scope is not None:
            kinds = ([each.text for each in group] for group in (products, asked, off_topic))
            judged_scope = judge_scope(scope, *(scope_scores_of(tagger, texts) for texts in kinds))
            scope, metrics["scope"] = judged_scope.scope, judged_scope.metrics
    return Decided(KeyedCalibration(root=calibrations), KeyedThresholds(root=thresholds), scope, metrics)
