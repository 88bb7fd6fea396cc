"""The batch to run next, told by one pure function."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Waiting:
    """A text that waits: its length in tokens and when it arrived, in seconds of the monotonic clock."""

    tokens: int
    arrived_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Which of the waiting texts to run now, or none and after how many seconds to ask again (None: nothing waits)."""

    batch: tuple[int, ...]
    wait_s: float | None = None


def plan(
    waiting: Sequence[Waiting], budget: int, now: float, *, max_wait_s: float, window: int, packed: bool = False
) -> Plan:
    """Choose the next batch among the `window` oldest texts.

    The batch always holds the oldest text, so nothing is overtaken by more than the window. Its cost (padded: longest
    times count; packed: sum) never exceeds `budget`, but a text that alone exceeds it goes alone. Padded, the batch is
    a run of neighbours in length: of those that hold the oldest text, the one with the most tokens less padding. If
    what waits is too thin to fill a batch, the oldest waits for company for at most `max_wait_s` from its arrival.

    Returns the positions in `waiting`, shortest text first. The same arguments give the same plan.
    """
    if not waiting:
        return Plan(())
    by_age = sorted(range(len(waiting)), key=lambda index: (waiting[index].arrived_s, index))[:window]
    company_s = waiting[by_age[0]].arrived_s + max_wait_s - now
    if company_s > 0 and _is_thin(waiting, budget, packed):
        return Plan((), company_s)
    chosen = _oldest_first(waiting, by_age, budget) if packed else _alike(waiting, by_age, budget)
    return Plan(tuple(sorted(chosen, key=lambda index: (waiting[index].tokens, index))))


def _is_thin(waiting: Sequence[Waiting], budget: int, packed: bool) -> bool:
    """True if one more text of the mean length would still fit beside all that wait."""
    total = sum(text.tokens for text in waiting)
    padded = max(text.tokens for text in waiting) * (len(waiting) + 1)
    return (total + total // len(waiting) if packed else padded) <= budget


def _oldest_first(waiting: Sequence[Waiting], by_age: Sequence[int], budget: int) -> list[int]:
    chosen = [by_age[0]]
    total = waiting[by_age[0]].tokens
    for index in by_age[1:]:
        if total + waiting[index].tokens > budget:
            break
        chosen.append(index)
        total += waiting[index].tokens
    return chosen


def _alike(waiting: Sequence[Waiting], by_age: Sequence[int], budget: int) -> list[int]:
    """The best run of neighbours in length that holds the oldest text and fits the padded budget."""
    rank = {index: age for age, index in enumerate(by_age)}
    # Of equals the oldest last: it is then in every run that ends beyond it.
    order = sorted(by_age, key=lambda index: (waiting[index].tokens, -rank[index]))
    oldest = order.index(by_age[0])
    lengths = [waiting[index].tokens for index in order]
    sums = [0, *accumulate(lengths)]
    best = (oldest, oldest + 1)
    most = 0
    for end in range(oldest + 1, len(order) + 1):
        longest = max(1, lengths[end - 1])
        fitting = end - budget // longest
        if fitting > oldest:
            break
        # A text shorter than half of the longest brings more padding than tokens.
        start = min(oldest, max(0, fitting, bisect_left(lengths, longest / 2)))
        tokens = sums[end] - sums[start]
        padding = longest * (end - start) - tokens
        if tokens - padding > most:
            most = tokens - padding
            best = (start, end)
    return order[best[0] : best[1]]
