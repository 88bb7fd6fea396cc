"""Pseudo-labels: labels from teachers for facets that a product is not labelled for."""

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence

from hangtag.tagger.tagger import Tagger
from hangtag.tags.schema import TagSchema
from hangtag.tags.tag import facet_of
from hangtag.tags.tagset import TagSet
from hangtag.trainer.data.labelled import LabelledProduct, with_tags
from hangtag.trainer.judging.evaluate import logits_of, served_tags
from hangtag.trainer.recipe.teaching import PseudoLabels


def pseudo_labelled(
    products: Sequence[LabelledProduct],
    teachers: Sequence[Tagger],
    settings: PseudoLabels,
    labelled: Mapping[str, int],
    seed: int,
) -> list[LabelledProduct]:
    """Add the tags that all teachers serve as AUTO; products without any label afterwards are left out.

    `labelled` is the number of products labelled with each tag; a tag that is not in it is never added. If more
    products could get a tag than `per_label` allows, they are drawn by the seed. No tag is added that a teacher's
    schema does not allow as parent or child of the product's labels.
    """
    predictions = [served_tags(tagger, products, logits_of(tagger, products)) for tagger in teachers]
    rng = random.Random(seed)
    given: Counter[str] = Counter()
    result = list(products)
    for row in rng.sample(range(len(products)), len(products)):
        product = products[row]
        agreed = _agreed([tag_sets[row] for tag_sets in predictions])
        for facet, tags in agreed.items():
            if facet in product.facets or (settings.facets and facet not in settings.facets):
                continue
            if any(_contradicts(result[row], facet, tags, teacher.bundle.schema) for teacher in teachers):
                continue
            if all(given[tag] < math.ceil(settings.per_label * labelled.get(tag, 0)) for tag in tags):
                given.update(tags)
                result[row] = with_tags(result[row], tags)
    return [product for product in result if product.facets]


def _agreed(predictions: Sequence[TagSet]) -> dict[str, frozenset[str]]:
    """The AUTO tags of each facet in which all teachers agree and none has a tag in REVIEW."""
    first, *others = [_by_facet(tags) for tags in predictions]
    in_review = {facet_of(scored.tag) for tags in predictions for scored in tags.review}
    return {
        facet: tags
        for facet, tags in first.items()
        if facet not in in_review and all(other.get(facet) == tags for other in others)
    }


def _contradicts(product: LabelledProduct, facet: str, tags: frozenset[str], schema: TagSchema) -> bool:
    """Whether adding these tags of the facet gives the product a tag and a parent that do not belong together."""
    changed = with_tags(product, tags)
    for tag in changed.tags:
        parents = _possible_parents(tag, changed, schema)
        if parents and changed.tags.isdisjoint(parents) and facet in map(facet_of, (tag, *parents)):
            return True
    return False


def _possible_parents(tag: str, product: LabelledProduct, schema: TagSchema) -> frozenset[str]:
    """The tag's allowed ancestors in the nearest parent facet that the product is labelled for; may be empty."""
    parents = frozenset({tag})
    while parents := frozenset(each for one in parents for each in schema.parents.get(one, ())):
        if not product.facets.isdisjoint(map(facet_of, parents)):
            break
    return parents


def _by_facet(tags: TagSet) -> dict[str, frozenset[str]]:
    auto = [scored.tag for scored in tags.tags]
    return {facet: frozenset(tag for tag in auto if facet_of(tag) == facet) for facet in map(facet_of, auto)}
