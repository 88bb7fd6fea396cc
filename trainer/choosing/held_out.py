"""Training products that scores are measured on: whole groups of what is alike, of which nothing is trained on."""

import random
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from hangtag.text.product_text import ProductText
from hangtag.trainer.data.duplicates import Duplicates, find_duplicates
from hangtag.trainer.data.groups import groups_alike
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.recipe.recipe import RecipeError

# As `hangtag data split` takes texts for near duplicates.
_ALIKE = 0.8
# A group that is more than one in so many of all that is held out would decide the scores alone.
_GROUPS = 8

Products = list[LabelledProduct]


def held_out(
    sources: Sequence[Sequence[LabelledProduct]], judging: Sequence[bool], share: float, seed: int
) -> tuple[list[Products], Products]:
    """What is left of each source, and the products that are held out of those that are `judging`.

    Products of one id, of the same text or of nearly the same are a group, over all sources: it is held out whole, and
    what the other sources have of it is left out. Large groups are taken last, and those that are larger than the share
    of a source stay; where near duplicates leave less than half of the share (a sentence that stands in a whole
    catalogue), only ids and same texts make groups. The same products, share and seed give the same answer.

    Raises:
        RecipeError: no source is `judging`, or every group is the whole of one.
    """
    if not any(judging):
        msg = "there is no source without pseudo_labels to measure on: what a teacher labelled tells no score"
        raise RecipeError(msg)
    products = [product for source in sources for product in source]
    source_of = [number for number, source in enumerate(sources) for _ in source]
    wanted = {
        number: min(max(1, round(share * len(source))), len(source) - 1)
        for number, source in enumerate(sources)
        if judging[number]
    }
    sizes = {number: len(sources[number]) for number in wanted}
    taken: set[int] = set()
    for groups in _groupings(tuple((product.product_id, product.text) for product in products)):
        taken = _taken(groups, source_of, wanted, sizes, random.Random(seed))
        if 2 * sum(source_of[at] in wanted for at in taken) >= sum(wanted.values()):
            break
    if not taken:
        msg = "no product can be held out: all products of a source have one id or one text; bring more products"
        raise RecipeError(msg)
    kept: list[Products] = [[] for _ in sources]
    out = []
    for at, product in enumerate(products):
        if at not in taken:
            kept[source_of[at]].append(product)
        elif source_of[at] in wanted:
            out.append(product)
    return kept, out


@lru_cache(maxsize=1)  # every trial asks for the same products
def _groupings(products: tuple[tuple[str, ProductText], ...]) -> tuple[list[list[int]], list[list[int]]]:
    """Places in groups: of what is nearly the same, and of what is the same; products are ids and texts."""
    ids, texts = [each for each, _ in products], [each for _, each in products]
    duplicates = find_duplicates(texts, _ALIKE, most=0)
    return groups_alike(ids, duplicates), groups_alike(ids, Duplicates(duplicates.exact, ()))


def _taken(
    groups: Sequence[list[int]],
    source_of: Sequence[int],
    wanted: dict[int, int],
    sizes: dict[int, int],
    rng: random.Random,
) -> set[int]:
    """Places of groups, drawn at random, that fit into what is wanted of each source; `sizes` are the sources'."""
    left = dict(wanted)
    counts = [Counter(source_of[at] for at in group if source_of[at] in wanted) for group in groups]
    large = sum(wanted.values()) / _GROUPS
    taken: set[int] = set()
    for number in sorted(rng.sample(range(len(groups)), len(groups)), key=lambda at: counts[at].total() > large):
        count = counts[number]
        if count and all(products <= left[source] for source, products in count.items()):
            taken.update(groups[number])
            for source, products in count.items():
                left[source] -= products
    if not taken:
        # All are too large, but something must be measured on, and something of each source trained on.
        small = [at for at, count in enumerate(counts) if count and all(count[each] < sizes[each] for each in count)]
        taken.update(groups[min(small, key=lambda at: counts[at].total())] if small else ())
    return taken
