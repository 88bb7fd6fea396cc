"""Where a tag stands: with a promise of its own, a shared one or none, and how many more products would change it."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.trainer.judging.cross_fit import FOLDS
from hangtag.trainer.judging.decide import Decisions, Evidence, products_for_own
from hangtag.trainer.judging.promise import min_products, more_products, shown_from
from hangtag.trainer.judging.support import MANY, Group, Support
from hangtag.trainer.recipe.recipe import Recipe

Counts = NDArray[np.int64]
# A number of attempts, and of those that were right.
Outcome = tuple[int, int]


class Standing(StrEnum):
    """What a tag's AUTO threshold rests on."""

    OWN = "own promise"
    SHARED = "shared promise"
    UNSEEN = "never seen in validation"
    NONE = "no promise"


class Obstacle(StrEnum):
    """Why more products alone would not change a tag's standing."""

    NOTHING = ""
    MISTAKES = "mistakes"  # of its predictions, too many are wrong
    SHOPS = "unseen shops"  # the promise was not kept on shops that thresholds were not set on
    WORDS = "words"  # the model predicts the facet for texts without a word for it


class TagStanding(BaseModel):
    """A tag's standing.

    `products` have the tag, of those that thresholds are set on. With `more` products for which it is predicted, as
    often right as now, it would have a promise of its own; or, if it `would_share` it and has none now, a promise
    together with the other such tags of its facet. None: no number would do, because of the `obstacle`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    standing: Standing
    products: int = Field(ge=0)
    more: int | None
    would_share: bool = False
    obstacle: Obstacle = Obstacle.NOTHING


def standings_of(
    decisions: Decisions,
    schema: TagSchema,
    products: Counts,
    recipe: Recipe,
    withheld: Mapping[Group, Outcome] | None = None,
    guessed: Mapping[str, Outcome] | None = None,
) -> dict[str, TagStanding]:
    """The standing of every tag; `products` has the number of products with each, in the schema's order.

    `withheld` and `guessed` are the groups and facets whose promise could not be shown, each with the outcome of
    trying: the number of AUTO tags on unseen shops, or of texts without words, and how many of these were right.
    """
    result: dict[str, TagStanding] = {}
    for facet in schema.facets:
        counts = {tag: int(products[schema.index[tag]]) for tag in facet.tags}
        for tag, standing in _of_facet(facet, schema, decisions, counts, recipe).items():
            result[tag] = standing
            # A tag with few products that needs more of them leaves its group.
            group = facet.name, Support.of(counts[tag] if counts[tag] >= MANY else counts[tag] + (standing.more or 0))
            if standing.standing is not Standing.NONE:
                continue
            at_shops, without_words = (withheld or {}).get(group), (guessed or {}).get(facet.name)
            if at_shops == (0, 0):
                alike = [tag] if facet.kind is FacetKind.MULTI else [each for each in counts if counts[each] >= MANY]
                result[tag] = _too_few_for_folds(standing, decisions.evidence[facet.name], alike, schema, recipe)
            elif at_shops is not None:
                result[tag] = _not_shown(standing, Obstacle.SHOPS, at_shops, recipe)
            if without_words is not None:
                result[tag] = _not_shown(result[tag], Obstacle.WORDS, without_words, recipe)
    return result


def _not_shown(standing: TagStanding, obstacle: Obstacle, outcome: Outcome, recipe: Recipe) -> TagStanding:
    """The standing of a tag whose group or facet tried to show the promise with this outcome and could not."""
    count, right = outcome
    needed = shown_from(1 - right / count if count else 0.0, recipe.auto_precision, recipe.auto_confidence)
    if needed is None:
        return standing.model_copy(update={"more": None, "would_share": False, "obstacle": obstacle})
    if standing.more is None:
        return standing
    # Too few to show it: of the products with the tag, only those of the AUTO tags count.
    return standing.model_copy(update={"more": max(standing.more, needed - count)})


def _too_few_for_folds(
    standing: TagStanding, evidence: Evidence, alike: Sequence[str], schema: TagSchema, recipe: Recipe
) -> TagStanding:
    """The standing of a tag where no fold had enough products for a threshold; `alike` are the tags that share it."""
    if standing.more is None:
        return standing
    have = int(np.isin(evidence.positions, [schema.index[tag] for tag in alike]).sum())
    needed = math.ceil(min_products(recipe.auto_precision, recipe.auto_confidence) * FOLDS / (FOLDS - 1))
    return standing.model_copy(update={"more": max(standing.more, needed - have)})


def _of_facet(
    facet: Facet, schema: TagSchema, decisions: Decisions, counts: Mapping[str, int], recipe: Recipe
) -> dict[str, TagStanding]:
    evidence, promises = decisions.evidence[facet.name], decisions.promises
    without = [tag for tag in facet.tags if tag not in promises and counts[tag] >= MANY]
    is_shared = any(tag in promises and promises[tag].pooled and counts[tag] >= MANY for tag in facet.tags)
    together = _more(evidence, [schema.index[tag] for tag in without], recipe)
    result = {}
    for tag in facet.tags:
        if counts[tag] == 0:
            # From ten products on, its own predictions decide.
            result[tag] = TagStanding(standing=Standing.UNSEEN, products=0, more=MANY)
            continue
        if tag in promises and not promises[tag].pooled:
            result[tag] = TagStanding(standing=Standing.OWN, products=counts[tag], more=0)
            continue
        more, would_share = _more(evidence, [schema.index[tag]], recipe), False
        if facet.kind is FacetKind.SINGLE:
            predicted = int((evidence.positions == schema.index[tag]).sum())
            more = None if more is None else max(more, products_for_own(recipe) - predicted)
            if tag in without and together is not None and (more is None or together < more):
                more, would_share = together, True
            elif tag not in promises and counts[tag] < MANY and is_shared:
                # With as many products as those that share a promise it would be one of them.
                more, would_share = MANY - counts[tag], True
        result[tag] = TagStanding(
            standing=Standing.SHARED if tag in promises else Standing.NONE,
            products=counts[tag],
            more=more,
            would_share=would_share,
            obstacle=Obstacle.MISTAKES if more is None else Obstacle.NOTHING,
        )
    return result


def _more(evidence: Evidence, positions: Sequence[int], recipe: Recipe) -> int | None:
    rows = np.isin(evidence.positions, positions)
    return more_products(
        evidence.confidences[rows], evidence.right[rows], recipe.auto_precision, recipe.auto_confidence
    )


def how_many_more(standing: TagStanding) -> str:
    """What would change a tag's standing, in a few words."""
    if standing.standing is Standing.OWN:
        return ""
    if standing.standing is Standing.UNSEEN:
        return f"{standing.more:,} products to be judged by its own predictions" if standing.more else ""
    if standing.more is None:
        return {
            Obstacle.MISTAKES: "wrong too often: more products alone do not help",
            Obstacle.SHOPS: "not kept on unseen shops: add products of more shops",
            Obstacle.WORDS: "predicted without a word for it: the texts have to name it",
        }.get(standing.obstacle, "")
    whose = "a shared promise" if standing.would_share else "a promise of its own"
    return f"{standing.more:,} more products for {whose}"
