"""What other AUTO promises would mean: for each, the thresholds, the coverage and the right tags of every facet."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from hangtag.tags.decoding import Logits
from hangtag.tags.reach import can_be_auto
from hangtag.tags.schema import TagSchema
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.examples import Example
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.attributes import Words
from hangtag.trainer.judging.judge import Judged, Scoring, judge
from hangtag.trainer.judging.promise import lower_bound
from hangtag.trainer.recipe.recipe import Recipe

PROMISES = (0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995)


class Step(BaseModel):
    """One facet with one promise.

    Of the `products` labelled for the facet, `covered` have an AUTO tag, and of their `tags` AUTO tags `wrong` are
    wrong: counted on shops that the thresholds were not set on. `bound` is the share of right AUTO tags that these
    counts show at the recipe's `auto_confidence`. `auto` tags of the facet can be AUTO, from thresholds between
    `lowest` and `highest`; both are None if none can.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    promise: float = Field(gt=0, lt=1)
    products: int = Field(ge=0)
    covered: int = Field(ge=0)
    tags: int = Field(ge=0)
    wrong: int = Field(ge=0)
    bound: float = Field(ge=0, le=1)
    auto: int = Field(ge=0)
    lowest: float | None
    highest: float | None


def what_if(
    logits: Logits,
    products: Sequence[LabelledProduct],
    examples: Sequence[Example],
    schema: TagSchema,
    recipe: Recipe,
    words: Words,
    scoring: Scoring,
    promises: Sequence[float] = PROMISES,
) -> dict[str, list[Step]]:
    """The steps of every facet that products are labelled for, by rising promise; the recipe's own is among them.

    Everything is set by `judge`, whose arguments these are, with another `auto_precision` each time.
    """
    found: dict[str, list[Step]] = {}
    scored = _remembered(scoring)
    for promise in sorted({*promises, recipe.auto_precision}):
        other = recipe.model_copy(update={"auto_precision": promise})
        judged = judge(logits, products, examples, schema, other, words, scored)
        for facet, step in _steps(judged, schema, other).items():
            found.setdefault(facet, []).append(step)
    return found


def _steps(judged: Judged, schema: TagSchema, recipe: Recipe) -> dict[str, Step]:
    cuts = judged.decisions.thresholds
    reachable = can_be_auto(schema, cuts)
    result = {}
    for facet in schema.facets:
        if facet.name not in judged.unseen.facets:
            continue
        figures = judged.unseen.facets[facet.name]
        auto = [cuts.tags[tag].auto for tag in facet.tags if tag in reachable]
        # A facet that is predicted without a word for it has no AUTO tags, whatever its figures on unseen shops.
        covered, tags, wrong = (figures.covered, figures.tags, figures.wrong) if auto else (0, 0, 0)
        result[facet.name] = Step(
            promise=recipe.auto_precision,
            products=figures.products,
            covered=covered,
            tags=tags,
            wrong=wrong,
            bound=lower_bound(tags - wrong, tags, recipe.auto_confidence),
            auto=len(auto),
            lowest=min(auto, default=None),
            highest=max(auto, default=None),
        )
    return result


def _remembered(scoring: Scoring) -> Scoring:
    """The same, computed once for each list of texts: which texts lack an attribute's words depends on no promise."""
    known: dict[tuple[ProductText, ...], Logits] = {}

    def scores(texts: Sequence[ProductText]) -> Logits:
        key = tuple(texts)
        if key not in known:
            known[key] = scoring(texts)
        return known[key]

    return scores
