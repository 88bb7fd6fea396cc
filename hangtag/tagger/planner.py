"""The next batch, chosen by one pure function that worker and server share."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    # Importing it brings the engine's runtime; callers of `plan` have an engine already.
    from hangtag.engine.cost import CostModel


# Texts of up to that many tokens count as equally short.
_SHORT_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Waiting:
    """A text that waits: its length in tokens and its arrival in seconds of the monotonic clock."""

    tokens: int
    arrived_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The positions of the texts to run now. If there are none, plan again after `wait_s` (None: nothing waits)."""

    batch: tuple[int, ...]
    wait_s: float | None = None


def plan(
    waiting: Sequence[Waiting],
    budget: int,
    now: float,
    *,
    cost: CostModel,
    busy: bool,
    max_wait_s: float,
    window: int,
    patience_s: float = 0,
) -> Plan:
    """Choose the next batch among the `window` oldest texts.

    - The batch always holds the oldest text, so at most `window` texts overtake another one. With `patience_s`, for
      callers that wait for each text, only from that age on: before, it holds the oldest of the texts that are at most
      twice as long as the shortest, so that a short text does not wait for long ones.
    - It never costs more than `budget` tokens by the engine's `cost` model, except for a single text that alone does.
    - Without padding it is the oldest texts. With padding it is the texts of similar length, the oldest among them,
      that make the most use of the budget.
    - A free engine gets a batch at once. While the engine is `busy`, texts that do not fill a batch wait for more of
      them, the oldest for at most `max_wait_s` from its arrival.

    Returns positions in `waiting`, the shortest text first. The same arguments always give the same plan.
    """
    if not waiting:
        return Plan(())
    by_age = sorted(range(len(waiting)), key=lambda index: (waiting[index].arrived_s, index))[:window]
    remaining_s = waiting[by_age[0]].arrived_s + max_wait_s - now
    if busy and remaining_s > 0 and _has_room([text.tokens for text in waiting], budget, cost):
        return Plan((), remaining_s)
    if now - waiting[by_age[0]].arrived_s < patience_s:
        return Plan(tuple(_shortest(waiting, by_age, budget, cost)))
    select = {"longest": _padded_to_longest, "bucket": _padded_to_bucket, "none": _packed}[cost.padding.value]
    chosen = select(waiting, by_age, budget, cost)
    return Plan(tuple(sorted(chosen, key=lambda index: (waiting[index].tokens, index))))


def _has_room(lengths: Sequence[int], budget: int, cost: CostModel) -> bool:
    """True if one more text of the mean length would fit into a batch of all."""
    total = sum(lengths)
    # No cost is below the sum of the lengths, which is quick to compute when many texts wait.
    return total <= budget and cost.of_batch([*lengths, total // len(lengths)]) <= budget


def _shortest(waiting: Sequence[Waiting], by_age: Sequence[int], budget: int, cost: CostModel) -> Sequence[int]:
    """Of the texts that are about as short as the shortest, the oldest that fit the budget together."""
    most = max(_SHORT_TOKENS, 2 * min(waiting[index].tokens for index in by_age))
    similar = [index for index in by_age if waiting[index].tokens <= most]
    lengths = [waiting[index].tokens for index in similar]
    fitting = bisect_right(range(len(similar)), budget, key=lambda last: cost.of_batch(lengths[: last + 1]))
    return sorted(similar[: max(1, fitting)], key=lambda index: (waiting[index].tokens, index))


def _packed(waiting: Sequence[Waiting], by_age: Sequence[int], budget: int, cost: CostModel) -> Sequence[int]:
    """The oldest texts that fit the budget together."""
    totals = list(accumulate(cost.of_text(waiting[index].tokens) for index in by_age))
    return by_age[: max(1, bisect_left(totals, budget + 1))]


def _padded_to_bucket(waiting: Sequence[Waiting], by_age: Sequence[int], budget: int, cost: CostModel) -> Sequence[int]:
    """Of the runs of neighbours in length that hold the oldest text and fit the budget, the one with most tokens.

    Any texts would fit, but neighbours in length share buckets, so that the engine computes few and large groups.
    """
    order, oldest = _by_length(waiting, by_age)
    lengths = [waiting[index].tokens for index in order]
    tokens = [0, *accumulate(lengths)]
    costs = [0, *accumulate(map(cost.of_text, lengths))]
    best, most = (oldest, oldest + 1), 0
    for end in range(oldest + 1, len(order) + 1):
        start = bisect_left(costs, costs[end] - budget)
        if start > oldest:
            break
        if tokens[end] - tokens[start] > most:
            best, most = (start, end), tokens[end] - tokens[start]
    return order[slice(*best)]


def _padded_to_longest(waiting: Sequence[Waiting], by_age: Sequence[int], budget: int, _: CostModel) -> Sequence[int]:
    """Of the runs of neighbours in length that hold the oldest text and fit the budget, the one with most tokens.

    Padding counts against a run.
    """
    order, oldest = _by_length(waiting, by_age)
    lengths = [waiting[index].tokens for index in order]
    tokens = [0, *accumulate(lengths)]
    best, most = (oldest, oldest + 1), 0
    for end in range(oldest + 1, len(order) + 1):
        longest = max(1, lengths[end - 1])
        fitting = end - budget // longest
        if fitting > oldest:
            break
        # A text shorter than half of the longest adds more padding than tokens.
        start = min(oldest, max(0, fitting, bisect_left(lengths, longest / 2)))
        real = tokens[end] - tokens[start]
        padding = longest * (end - start) - real
        if real - padding > most:
            best, most = (start, end), real - padding
    return order[slice(*best)]


def _by_length(waiting: Sequence[Waiting], by_age: Sequence[int]) -> tuple[list[int], int]:
    """The texts by length, and the place of the oldest, which is the last of those of its length.

    It is then in every run that ends beyond it.
    """
    rank = {index: age for age, index in enumerate(by_age)}
    order = sorted(by_age, key=lambda index: (waiting[index].tokens, -rank[index]))
    return order, order.index(by_age[0])
