"""Calibration and thresholds with every proof that they need: on unseen shops, and on texts that name no attribute."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from hangtag.tags.decoding import Decoder, Logits
from hangtag.tags.naming import Naming, naming_of
from hangtag.tags.schema import TagSchema
from hangtag.tags.tag import facet_of
from hangtag.tags.thresholds import Calibration, Thresholds
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.examples import Example
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.attributes import Words
from hangtag.trainer.judging.calibration import fit_calibration
from hangtag.trainer.judging.cross_fit import Unseen, cross_fitted
from hangtag.trainer.judging.decide import NEVER, Decisions, decide
from hangtag.trainer.judging.promise import is_shown
from hangtag.trainer.judging.standing import TagStanding, standings_of
from hangtag.trainer.judging.support import Circumstances, Flags, Group, Support, supports
from hangtag.trainer.recipe.recipe import Recipe

Scoring = Callable[[Sequence[ProductText]], Logits]


@dataclass(frozen=True, slots=True)
class Masked:
    """An attribute facet on texts whose words for it were taken out: the right answer is no AUTO tag.

    Of the `products` labelled for the facet, `served` got an AUTO tag all the same.
    """

    products: int
    served: int


@dataclass(frozen=True, slots=True)
class Judged:
    """Calibration, thresholds and what they rest on.

    `withheld` are the groups of tags by support whose promise could not be shown on unseen shops, with the number of
    their AUTO tags there and of the right ones; `guessed` are the attribute facets whose promise could not be shown on
    texts that do not name them. None of their tags is AUTO.
    `tags` is the number of tags in each group, AUTO or not; `standings` says what each tag's AUTO threshold rests on.
    """

    calibration: Calibration
    decisions: Decisions
    unseen: Unseen
    masked: dict[str, Masked]
    tags: dict[Group, int]
    standings: dict[str, TagStanding]
    withheld: Mapping[Group, tuple[int, int]]
    guessed: frozenset[str]
    set_on: int

    def metrics(self, recipe: Recipe) -> dict[str, Any]:
        """The manifest's entries `promise` and `cross_fitted`."""
        groups: dict[str, dict[str, Any]] = {}
        for (facet, support), tags in sorted(self.tags.items()):
            group = facet, support
            served, right = self.withheld.get(group) or self.unseen.groups.get(group, (0, 0))
            is_auto = group not in self.withheld and facet not in self.guessed
            groups.setdefault(facet, {})[support.value] = {
                "tags": tags,
                "served": served,
                "wrong": served - right,
                "auto": is_auto,
            }
        return {
            "promise": {
                "precision": recipe.auto_precision,
                "confidence": recipe.auto_confidence,
                "set_on": self.set_on,
                "tags": {tag: promise.model_dump() for tag, promise in self.decisions.promises.items()},
                "groups": groups,
                "standings": {
                    tag: standing.model_dump(mode="json", exclude_defaults=True)
                    for tag, standing in self.standings.items()
                },
                "masked": {facet: asdict(masked) for facet, masked in self.masked.items()},
            },
            "cross_fitted": {
                name: asdict(figures) | {"coverage": figures.coverage, "precision": figures.precision}
                for name, figures in self.unseen.facets.items()
            },
        }


def judge(
    logits: Logits,
    products: Sequence[LabelledProduct],
    examples: Sequence[Example],
    schema: TagSchema,
    recipe: Recipe,
    words: Words,
    scoring: Scoring,
) -> Judged:
    """Calibrate, set thresholds and withdraw every promise that cannot be shown.

    Logits have the shape (products, tags); `words` are those of the tags of attribute facets, and `scoring` computes
    the logits of other texts.

    - A group of tags (a facet's tags with no, 1 to 9, or 10 and more products) keeps its AUTO tags only if its AUTO
      tags on unseen shops show the promise: each tenth of the shops gets thresholds from the other nine.
    - An attribute facet keeps them only if the promise also holds for texts whose words for the facet were taken out,
      where every AUTO tag is a mistake.
    """
    calibration = fit_calibration(logits, examples, schema)
    circumstances = Circumstances.of(products, schema, words)
    groups = _groups(examples, schema)
    withheld: dict[Group, tuple[int, int]] = {}
    while True:
        unseen = cross_fitted(logits, products, examples, schema, recipe, circumstances, withheld)
        # A facet depends on those above it, so withholding one group can change the figures of another.
        outcomes = {group: unseen.groups.get(group, (0, 0)) for group in groups}
        failed = {group: outcome for group, outcome in outcomes.items() if not _is_kept(outcome, recipe)}
        if failed.keys() <= withheld.keys():
            break
        withheld = failed | withheld
    decisions = decide(logits, examples, schema, calibration, recipe, circumstances, withheld)
    masked = _masked(products, schema, calibration, decisions.thresholds, scoring)
    not_named = {facet: (each.products, each.products - each.served) for facet, each in masked.items()}
    guessed = {facet: outcome for facet, outcome in not_named.items() if not _is_kept(outcome, recipe)}
    decisions = _without(decisions, guessed)
    counts = (np.stack([example.targets for example in examples]) > 0).sum(axis=0)
    standings = standings_of(decisions, schema, counts, recipe, withheld, guessed)
    return Judged(
        calibration, decisions, unseen, masked, groups, standings, withheld, frozenset(guessed), len(products)
    )


def _is_kept(outcome: tuple[int, int], recipe: Recipe) -> bool:
    count, right = outcome
    return is_shown(right, count, recipe.auto_precision, recipe.auto_confidence)


def _groups(examples: Sequence[Example], schema: TagSchema) -> dict[Group, int]:
    """The number of tags in each group, for the facets that examples are labelled for; empty groups included."""
    found: dict[Group, int] = {}
    known: Flags = np.stack([example.known for example in examples]).max(axis=0) > 0
    groups = supports(np.stack([example.targets for example in examples]) > 0)
    for facet in schema.facets:
        where = schema.slices[facet.name]
        if known[where].any():
            for support in Support:
                found[facet.name, support] = groups[where].count(support)
    return found


def _masked(
    products: Sequence[LabelledProduct],
    schema: TagSchema,
    calibration: Calibration,
    thresholds: Thresholds,
    scoring: Scoring,
) -> dict[str, Masked]:
    naming, decoder = naming_of(schema, thresholds.words), Decoder.for_products(schema, calibration, thresholds)
    result = {}
    for facet in sorted(thresholds.attributes):
        texts = [without_words(product.text, naming, facet) for product in products if facet in product.facets]
        texts = [text for text in texts if not text.is_empty]
        served = 0
        if texts:
            kinds, named = [TextKind.PRODUCT] * len(texts), [decoder.named(text) for text in texts]
            decoded = decoder.decode(scoring(texts), kinds, named)
            served = sum(any(facet_of(each.tag) == facet for each in tags.tags) for tags in decoded)
        result[facet] = Masked(len(texts), served)
    return result


def without_words(text: ProductText, naming: Naming, facet: str) -> ProductText:
    """The text without the words of a facet's tags."""
    return ProductText(naming.without(text.first, facet), naming.without(text.second, facet))


def _without(decisions: Decisions, facets: Collection[str]) -> Decisions:
    if not facets:
        return decisions
    cuts = {
        tag: cut.model_copy(update={"auto": NEVER}) if facet_of(tag) in facets else cut
        for tag, cut in decisions.thresholds.tags.items()
    }
    promises = {tag: promise for tag, promise in decisions.promises.items() if facet_of(tag) not in facets}
    return replace(decisions, thresholds=decisions.thresholds.model_copy(update={"tags": cuts}), promises=promises)
