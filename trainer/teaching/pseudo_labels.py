"""Labels from teachers for products that have none, taken only where they are sure and agree."""

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence

from hangtag.tagger.tagger import Tagger
from hangtag.tags.schema import TagSchema
from hangtag.tags.tag import facet_of
from hangtag.tags.tagset import TagSet
from hangtag.text.kind import TextKind
from hangtag.trainer.data.labelled import LabelledProduct, with_tags
from hangtag.trainer.judging.evaluate import scores_of
from hangtag.trainer.recipe.teaching import PseudoLabels


def pseudo_labelled(
    products: Sequence[LabelledProduct],
    teachers: Sequence[Tagger],
    settings: PseudoLabels,
    labelled: Mapping[str, int],
    seed: int,
) -> list[LabelledProduct]:
    """The products with what the teachers are sure of; those that end without any label are left out.

    `labelled` is how many products carry each tag by a person's label: a tag that none carries is never given.
    Which products get a tag that too many could get is drawn by the seed. No tag is given that, by a teacher's schema,
    can stand neither under nor above what the product is labelled with.
    """
    told = [tagger.decode(scores_of(tagger, products), [TextKind.PRODUCT] * len(products)) for tagger in teachers]
    rng = random.Random(seed)
    given: Counter[str] = Counter()
    result = list(products)
    for row in rng.sample(range(len(products)), len(products)):
        product = products[row]
        sure = _sure([each[row] for each in told])
        for facet, tags in sure.items():
            if facet in product.facets or (settings.facets and facet not in settings.facets):
                continue
            if any(_contradicts(result[row], facet, tags, teacher.bundle.schema) for teacher in teachers):
                continue
            if all(given[tag] < math.ceil(settings.per_label * labelled.get(tag, 0)) for tag in tags):
                given.update(tags)
                result[row] = with_tags(result[row], tags)
    return [product for product in result if product.facets]


def _sure(told: Sequence[TagSet]) -> dict[str, frozenset[str]]:
    """The AUTO tags of each facet on which all agree and of which none is in doubt."""
    first, *others = [_by_facet(tags) for tags in told]
    doubted = {facet_of(scored.tag) for tags in told for scored in tags.review}
    return {
        facet: tags
        for facet, tags in first.items()
        if facet not in doubted and all(other.get(facet) == tags for other in others)
    }


def _contradicts(product: LabelledProduct, facet: str, tags: frozenset[str], schema: TagSchema) -> bool:
    """Whether the product with these tags of the facet has one of them under or above a tag that it cannot be with."""
    taught = with_tags(product, tags)
    for tag in taught.tags:
        above = _above(tag, taught, schema)
        if above and taught.tags.isdisjoint(above) and facet in map(facet_of, (tag, *above)):
            return True
    return False


def _above(tag: str, product: LabelledProduct, schema: TagSchema) -> frozenset[str]:
    """What the tag may stand under, in the nearest facet above that the product is labelled for; empty: in none."""
    above = frozenset({tag})
    while above := frozenset(each for one in above for each in schema.parents.get(one, ())):
        if not product.facets.isdisjoint(map(facet_of, above)):
            break
    return above


def _by_facet(tags: TagSet) -> dict[str, frozenset[str]]:
    auto = [scored.tag for scored in tags.tags]
    return {facet: frozenset(tag for tag in auto if facet_of(tag) == facet) for facet in map(facet_of, auto)}
