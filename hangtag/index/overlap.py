"""Products that share tags with a product, where rare tags count more.

The weight of a tag is the logarithm of all products divided by those that have it. Two products are as similar as the
weight of the tags that both have, divided by that of the tags that at least one has: 1 if both have the same tags, 0 if
they share none.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

# Products that are compared. Where more share the rarest tags, those with more tags in common come first.
MAX_CANDIDATES = 20_000
# Digits by which scores differ; more are noise of the sums.
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag of the product: its name, and the products that have it."""

    tag: str
    products: BitMap


@dataclass(frozen=True, slots=True)
class Similar:
    """A product that was found: its number, and its score in [0, 1]."""

    number: int
    score: float


def weight_of(having: int, products: int) -> float:
    """The weight of a tag that `having` of `products` products have; 0 for a tag of all of them."""
    return math.log(products / having) if 0 < having < products else 0.0


def similar_products(
    tags: Sequence[Tagged],
    products: int,
    allowed: BitMap,
    totals: Callable[[NDArray[np.uint32]], NDArray[np.float64]],
    count: int,
) -> list[Similar]:
    """The `count` most similar of the `allowed` products, equal ones by number.

    Args:
        tags: the tags of the product that is compared.
        products: how many products there are in all.
        allowed: what may be returned; the product itself should not be in it.
        totals: the weight of all tags of each of these products, see `weight_of`; the numbers ascend.
        count: how many are returned at most.
    """
    weighed = ((each, weight_of(len(each.products), products)) for each in tags)
    own = sorted(((each, weight) for each, weight in weighed if weight), key=lambda each: (-each[1], each[0].tag))
    if not own:
        return []
    numbers, shared = _weighed(own, allowed)
    of_either = sum(weight for _, weight in own) + totals(numbers) - shared
    scores = np.minimum(np.round(shared / of_either, _DIGITS), 1.0)
    if len(scores) > count:
        # Sorting all of them would take longer than everything before.
        is_best = scores >= np.partition(scores, len(scores) - count)[len(scores) - count]
        numbers, scores = numbers[is_best], scores[is_best]
    best = np.lexsort((numbers, -scores))[:count]
    return [Similar(int(numbers[place]), float(scores[place])) for place in best]


def _weighed(own: Sequence[tuple[Tagged, float]], allowed: BitMap) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
    """Candidates in ascending order, and the weight of the tags that each shares."""
    candidates = _candidates(own, allowed)
    numbers = _array(candidates)
    shared = np.zeros(len(numbers))
    for tag, weight in own:
        having = _array(candidates & tag.products)
        shared[np.searchsorted(numbers, having)] += weight
    return numbers, shared


def _candidates(own: Sequence[tuple[Tagged, float]], allowed: BitMap) -> BitMap:
    """Products with at least one of the tags, the rarest tags first, until there are too many."""
    found = BitMap(copy_on_write=True)
    for place, (tag, _) in enumerate(own):
        more = (tag.products & allowed) - found
        room = MAX_CANDIDATES - len(found)
        if len(more) > room:
            return found | _narrowed(more, own[place + 1 :], room)
        found |= more
    return found


def _narrowed(more: BitMap, others: Sequence[tuple[Tagged, float]], room: int) -> BitMap:
    """At most `room` of these products, first those that have as many of the other tags as possible."""
    kept = more
    for tag, _ in others:
        both = kept & tag.products
        if both:
            kept = both
        if len(kept) <= room:
            break
    if len(kept) >= room:
        return BitMap(kept.to_array()[:room], copy_on_write=True)
    return kept | BitMap((more - kept).to_array()[: room - len(kept)], copy_on_write=True)


def _array(numbers: BitMap) -> NDArray[np.uint32]:
    return np.frombuffer(numbers.to_array(), dtype=np.uint32)
