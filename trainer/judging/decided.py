"""Everything that is decided about a bundle's answers after training: for products, for queries, and the scope."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hangtag.bundle import Scope
from hangtag.tagger.tagger import Tagger
from hangtag.tags.decoding import Logits
from hangtag.tags.keyed import ScoringPath
from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.tags.thresholds import Calibration, KeyedCalibration, KeyedThresholds, Thresholds
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
    thresholds = {TextKind.PRODUCT: {ScoringPath.FULL: _in_languages(judged.decisions.thresholds, recipe)}}
    if queries is not None and recipe.queries is not None:
        strength = recipe.queries.wide_strength
        asked, off_topic = query_texts_of(queries, products, recipe.queries, recipe.seed)
        if asked:
            tagger, its_recipe = _for_queries(tagger, strength), for_queries(recipe)
            of_queries = judge_queries(tagger, asked, off_topic, its_recipe, words)
            calibration = of_queries.calibration.model_copy(update={"wide_strength": strength})
            calibrations[TextKind.QUERY] = {ScoringPath.FULL: calibration}
            cautious = _at_least(of_queries.decisions.thresholds, recipe.queries.min_auto, schema)
            thresholds[TextKind.QUERY] = {ScoringPath.FULL: _in_languages(cautious, recipe)}
            metrics["queries"] = of_queries.metrics(its_recipe)
        if asked and scope is not None:
            groups = ((products, TextKind.PRODUCT), (asked, TextKind.QUERY), (off_topic, TextKind.QUERY))
            scores = [scope_scores_of(tagger, [each.text for each in group], kind) for group, kind in groups]
            judged_scope = judge_scope(scope, *scores)
            scope, metrics["scope"] = judged_scope.scope, judged_scope.metrics
    return Decided(KeyedCalibration(root=calibrations), KeyedThresholds(root=thresholds), scope, metrics)


def _for_queries(tagger: Tagger, strength: float) -> Tagger:
    """The tagger with the wide part at this strength for queries."""
    calibration = tagger.bundle.calibration.entry(TextKind.PRODUCT)
    entries: dict[TextKind, dict[ScoringPath, Calibration]] = {
        TextKind.PRODUCT: {ScoringPath.FULL: calibration},
        TextKind.QUERY: {ScoringPath.FULL: calibration.model_copy(update={"wide_strength": strength})},
    }
    thresholds = tagger.bundle.thresholds.entry(TextKind.PRODUCT)
    keyed = {kind: {ScoringPath.FULL: thresholds} for kind in entries}
    bundle = replace(tagger.bundle, calibration=KeyedCalibration(root=entries), thresholds=KeyedThresholds(root=keyed))
    return Tagger.of(bundle, tagger.engine)


def _in_languages(thresholds: Thresholds, recipe: Recipe) -> Thresholds:
    languages = recipe.queries.languages if recipe.queries else ()
    return thresholds.model_copy(update={"languages": languages})


def _at_least(thresholds: Thresholds, lowest: float, schema: TagSchema) -> Thresholds:
    """The thresholds, with no AUTO threshold of a tag of a single facet below `lowest`.

    Tags of attributes keep theirs, since they are AUTO only where the text names them. The promise holds for the raised
    ones too: thresholds are tested from high to low, so every higher one has passed.
    """
    facets = (each for each in schema.facets if each.name not in thresholds.attributes)
    single = {tag for facet in facets if facet.kind is FacetKind.SINGLE for tag in facet.tags}
    tags = {
        tag: each.model_copy(update={"auto": max(each.auto, lowest)}) if tag in single else each
        for tag, each in thresholds.tags.items()
    }
    return thresholds.model_copy(update={"tags": tags})
