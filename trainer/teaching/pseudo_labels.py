"""Labels from teachers for products that have none, taken only where they are sure and agree."""

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence

from hangtag.tagger import Tagger
from hangtag.tagset import TagSet
from trainer.data.labelled import LabelledProduct, with_tags
from trainer.judging.evaluate import scores_of
from trainer.teaching.settings import PseudoLabels


def pseudo_labelled(
    products: Sequence[LabelledProduct],
    teachers: Sequence[Tagger],
    settings: PseudoLabels,
    labelled: Mapping[str, int],
    seed: int,
) -> list[LabelledProduct]:
    """The products with what the teachers are sure of; those that end without any label are left out.

    A facet of which they are sure for too small a part of the products is not told. `labelled` is how many products
    carry each tag by a person's label: a tag that none carries is never given. Which products get a tag that too many
    could get is drawn by the seed.
    """
    told = list(zip(*(tagger.decode(scores_of(tagger, products)) for tagger in teachers), strict=True))
    sure = [_sure(each) for each in told]
    taken = _taken(told, sure, settings)
    rng = random.Random(seed)
    given: Counter[str] = Counter()
    result = list(products)
    for row in rng.sample(range(len(products)), len(products)):
        for facet, tags in sure[row].items():
            if facet in products[row].facets or facet not in taken:
                continue
            if all(given[tag] < math.ceil(settings.per_label * labelled.get(tag, 0)) for tag in tags):
                given.update(tags)
                result[row] = with_tags(result[row], tags)
    return [product for product in result if product.facets]


def _sure(told: Sequence[TagSet]) -> dict[str, frozenset[str]]:
    """The AUTO tags of each facet on which all agree and of which none is in doubt."""
    first, *others = [_by_facet(tags) for tags in told]
    doubted = {_facet(scored.tag) for tags in told for scored in tags.review}
    return {
        facet: tags
        for facet, tags in first.items()
        if facet not in doubted and all(other.get(facet) == tags for other in others)
    }


def _taken(told: Sequence[Sequence[TagSet]], sure: Sequence[Mapping[str, object]], settings: PseudoLabels) -> set[str]:
    """The facets of which the teachers are sure for enough of the products of which any says anything."""
    said = Counter(
        facet
        for each in told
        for facet in {_facet(scored.tag) for tags in each for scored in (*tags.tags, *tags.review)}
    )
    sure_of = Counter(facet for each in sure for facet in each)
    wanted = set(settings.facets or sure_of)
    return {facet for facet, count in sure_of.items() if count >= settings.least_sure * said[facet]} & wanted


def _by_facet(tags: TagSet) -> dict[str, frozenset[str]]:
    auto = [scored.tag for scored in tags.tags]
    return {facet: frozenset(tag for tag in auto if _facet(tag) == facet) for facet in map(_facet, auto)}


def _facet(tag: str) -> str:
    return tag.split(":", 1)[0]
