"""Iterative stratification of groups: every tag, the rare ones first, in every part by its share."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from heapq import heapify, heappop, heappush

Counts = Counter[str]


def stratified(
    groups: Sequence[Sequence[int]], tags: Sequence[frozenset[str]], shares: Sequence[float], seed: int
) -> list[int]:
    """The part that each group goes to; `tags` are those of each product, `shares` of the parts add up to 1.

    Sechidis et al. 2011, algorithm 1, with two changes for groups: a group counts as all its products, the largest of a
    tag first, and does not go where there is no room left for it. Every tag is then in the first part: a tag that is
    not has its smallest group moved there.
    """
    rng = random.Random(seed)
    counts = [Counter(tag for place in group for tag in sorted(tags[place])) for group in groups]
    left: Counts = Counter()
    waiting: dict[str, list[int]] = defaultdict(list)
    for at, count in enumerate(counts):
        left.update(count)
        for tag in count:
            waiting[tag].append(at)
    parts = _Parts(shares, left, sum(map(len, groups)))
    part_of: dict[int, int] = {}
    # The rarest tag first. A tag's entry stays when less of it is left, and then counts no more.
    rarest = [(count, tag) for tag, count in left.items()]
    heapify(rarest)
    while left:
        count_left, tag = heappop(rarest)
        if left.get(tag) != count_left:
            continue
        open_groups = [at for at in waiting.pop(tag) if at not in part_of]
        rng.shuffle(open_groups)
        for at in sorted(open_groups, key=lambda at: -counts[at][tag]):
            part_of[at] = parts.take(counts[at], len(groups[at]), tag, rng)
            for each in counts[at].keys() & left.keys():
                left[each] -= counts[at][each]
                if left[each]:
                    heappush(rarest, (left[each], each))
                else:
                    del left[each]
        left.pop(tag, None)
    untagged = [at for at in range(len(groups)) if at not in part_of]
    for at in sorted(untagged, key=lambda at: -len(groups[at])):
        part_of[at] = parts.take(counts[at], len(groups[at]), "", rng)
    _repair(part_of, counts, groups)
    return [part_of[at] for at in range(len(groups))]


class _Parts:
    """How many products, and how many of each tag, every part still wants."""

    def __init__(self, shares: Sequence[float], total: Counts, products: int) -> None:
        self._tags = [{tag: share * count for tag, count in total.items()} for share in shares]
        self._products = [share * products for share in shares]

    def take(self, counts: Counts, size: int, tag: str, rng: random.Random) -> int:
        every = range(len(self._products))
        roomy = [part for part in every if self._products[part] >= size] or list(every)
        part = max(roomy, key=lambda each: (self._tags[each].get(tag, 0), self._products[each], rng.random()))
        self._products[part] -= size
        for each, count in counts.items():
            self._tags[part][each] -= count
        return part


def _repair(part_of: dict[int, int], counts: Sequence[Counts], groups: Sequence[Sequence[int]]) -> None:
    having: dict[str, list[int]] = {}
    for at, count in enumerate(counts):
        for tag in count:
            having.setdefault(tag, []).append(at)
    for _, its_groups in sorted(having.items()):
        if all(part_of[at] for at in its_groups):
            part_of[min(its_groups, key=lambda at: (len(groups[at]), at))] = 0
