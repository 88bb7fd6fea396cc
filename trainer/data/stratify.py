"""Iterative stratification of groups: every part gets its share of every tag, the rarest tags first."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from heapq import heapify, heappop, heappush

Counts = Counter[str]


def stratified(counts: Sequence[Counts], sizes: Sequence[int], shares: Sequence[float], seed: int) -> list[int]:
    """Assign each group to a part; returns one part number per group.

    `counts` are each group's numbers of products with a tag, `sizes` its numbers of products, `shares` the parts'
    shares, which add up to 1.
    Sechidis et al. 2011, algorithm 1, with two changes for groups: a group counts as all its products, those with most
    products of a tag first, and is not put into a part that has no room for it. Afterwards, if a tag is missing in the
    first part, its smallest group is moved there.
    """
    rng = random.Random(seed)
    left: Counts = Counter()
    waiting: dict[str, list[int]] = defaultdict(list)
    for at, count in enumerate(counts):
        left.update(count)
        for tag in count:
            waiting[tag].append(at)
    parts = _Parts(shares, left, sum(sizes))
    part_of: dict[int, int] = {}
    # The rarest tag first. Entries with outdated counts stay in the heap and are skipped.
    rarest = [(count, tag) for tag, count in left.items()]
    heapify(rarest)
    while left:
        count_left, tag = heappop(rarest)
        if left.get(tag) != count_left:
            continue
        open_groups = [at for at in waiting.pop(tag) if at not in part_of]
        rng.shuffle(open_groups)
        for at in sorted(open_groups, key=lambda at: -counts[at][tag]):
            part_of[at] = parts.assign(counts[at], sizes[at], tag, rng)
            for each in counts[at].keys() & left.keys():
                left[each] -= counts[at][each]
                if left[each]:
                    heappush(rarest, (left[each], each))
                else:
                    del left[each]
        left.pop(tag, None)
    untagged = [at for at in range(len(sizes)) if at not in part_of]
    for at in sorted(untagged, key=lambda at: -sizes[at]):
        part_of[at] = parts.assign(counts[at], sizes[at], "", rng)
    _complete_first_part(part_of, counts, sizes)
    return [part_of[at] for at in range(len(sizes))]


class _Parts:
    """The number of products, and of products per tag, that each part still lacks."""

    def __init__(self, shares: Sequence[float], total: Counts, products: int) -> None:
        self._tags = [{tag: share * count for tag, count in total.items()} for share in shares]
        self._products = [share * products for share in shares]

    def assign(self, counts: Counts, size: int, tag: str, rng: random.Random) -> int:
        """Choose the part that lacks most of the tag for a group of this size, and count the group in it."""
        every = range(len(self._products))
        roomy = [part for part in every if self._products[part] >= size] or list(every)
        part = max(roomy, key=lambda each: (self._tags[each].get(tag, 0), self._products[each], rng.random()))
        self._products[part] -= size
        for each, count in counts.items():
            self._tags[part][each] -= count
        return part


def _complete_first_part(part_of: dict[int, int], counts: Sequence[Counts], sizes: Sequence[int]) -> None:
    groups_with: dict[str, list[int]] = {}
    for at, count in enumerate(counts):
        for tag in count:
            groups_with.setdefault(tag, []).append(at)
    for _, its_groups in sorted(groups_with.items()):
        if all(part_of[at] for at in its_groups):
            part_of[min(its_groups, key=lambda at: (sizes[at], at))] = 0
