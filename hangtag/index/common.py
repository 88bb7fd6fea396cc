"""What some products have in common that others do not have.

A function of the products alone: who looked at them is neither asked nor kept.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from hangtag.tags.tag import facet_of


@dataclass(frozen=True, slots=True)
class Common:
    """A tag of a profile.

    Attributes:
        tag: `facet:value`.
        share: the part of the products that have it, in [0, 1].
        lift: the share divided by that among all products.
        weight: the share less that among all products, in [0, 1]: common here and rare elsewhere.
    """

    tag: str
    share: float
    lift: float
    weight: float


def profile_of(
    products: Iterable[Sequence[str]],
    having: Callable[[str], int],
    indexed: int,
    without: Collection[str],
    count: int,
) -> list[Common]:
    """The tags that stand out among products, those with the largest weight first, at most `count`.

    Args:
        products: the tags of each; one that is given twice counts twice.
        having: how many of all products have a tag, at least 1 for a tag of `products`.
        indexed: how many products there are in all.
        without: facets and tags that are left out.
        count: how many tags are returned at most.
    """
    counts: Counter[str] = Counter()
    looked_at = 0
    for tags in products:
        looked_at += 1
        counts.update(tag for tag in set(tags) if facet_of(tag) not in without and tag not in without)
    found = []
    for tag, times in counts.items():
        share, usual = times / looked_at, having(tag) / indexed
        if share > usual:
            found.append(Common(tag, share, share / usual, share - usual))
    return sorted(found, key=lambda each: (-each.weight, each.tag))[:count]
