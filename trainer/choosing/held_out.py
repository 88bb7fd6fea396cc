"""Holding out training products for scoring, in complete groups of duplicates."""

import random
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from hangtag.text.product_text import ProductText
from hangtag.trainer.data.duplicates import Duplicates, find_duplicates
from hangtag.trainer.data.groups import duplicate_groups
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.recipe.recipe import RecipeError

# The similarity of near duplicates, as in `hangtag data split`.
_SIMILARITY = 0.8
# Groups larger than the held-out number divided by this are taken last, because they would dominate the scores.
_MIN_GROUPS = 8

Products = list[LabelledProduct]


def held_out(
    sources: Sequence[Sequence[LabelledProduct]], is_scored: Sequence[bool], share: float, seed: int
) -> tuple[list[Products], Products]:
    """Hold out a share of each scored source; returns the remaining products of each source and the held-out ones.

    Products with equal ids, equal texts or near-duplicate texts form groups across all sources. A group is held out
    completely; its products in sources that are not scored are dropped. Large groups are taken last, and groups larger
    than a source's share are not held out. If that yields less than half of the share (a sentence that occurs
    throughout a catalogue), only equal ids and texts form groups. The same arguments give the same result.

    Raises:
        RecipeError: no source is scored, or a group covers a complete source.
    """
    if not any(is_scored):
        msg = "all sources have pseudo_labels: scores need a source with only human labels"
        raise RecipeError(msg)
    products = [product for source in sources for product in source]
    source_of = [number for number, source in enumerate(sources) for _ in source]
    quota = {
        number: min(max(1, round(share * len(source))), len(source) - 1)
        for number, source in enumerate(sources)
        if is_scored[number]
    }
    sizes = {number: len(sources[number]) for number in quota}
    taken: set[int] = set()
    for groups in _groupings(tuple((product.product_id, product.text) for product in products)):
        taken = _taken(groups, source_of, quota, sizes, random.Random(seed))
        if 2 * sum(source_of[at] in quota for at in taken) >= sum(quota.values()):
            break
    if not taken:
        msg = "no product can be held out: all products of a source have the same id or text; add products"
        raise RecipeError(msg)
    kept: list[Products] = [[] for _ in sources]
    out = []
    for at, product in enumerate(products):
        if at not in taken:
            kept[source_of[at]].append(product)
        elif source_of[at] in quota:
            out.append(product)
    return kept, out


@lru_cache(maxsize=1)  # all trials have the same products
def _groupings(products: tuple[tuple[str, ProductText], ...]) -> tuple[list[list[int]], list[list[int]]]:
    """Two partitions of the places: by near duplicates, and by equal ids and texts; products are (id, text)."""
    ids, texts = [each for each, _ in products], [each for _, each in products]
    duplicates = find_duplicates(texts, _SIMILARITY, most=0)
    return duplicate_groups(ids, duplicates), duplicate_groups(ids, Duplicates(duplicates.exact, ()))


def _taken(
    groups: Sequence[list[int]],
    source_of: Sequence[int],
    quota: dict[int, int],
    sizes: dict[int, int],
    rng: random.Random,
) -> set[int]:
    """Places of randomly drawn groups that fit into the quota of each source; `sizes` are the sources'."""
    left = dict(quota)
    counts = [Counter(source_of[at] for at in group if source_of[at] in quota) for group in groups]
    large = sum(quota.values()) / _MIN_GROUPS
    taken: set[int] = set()
    for number in sorted(rng.sample(range(len(groups)), len(groups)), key=lambda at: counts[at].total() > large):
        count = counts[number]
        if count and all(products <= left[source] for source, products in count.items()):
            taken.update(groups[number])
            for source, products in count.items():
                left[source] -= products
    if not taken:
        # All groups are too large: take the smallest one that leaves something of each source to train on.
        small = [at for at, count in enumerate(counts) if count and all(count[each] < sizes[each] for each in count)]
        taken.update(groups[min(small, key=lambda at: counts[at].total())] if small else ())
    return taken
