"""A failing schedule, made as small as it gets while it still fails."""

from collections.abc import Callable

from tests.simulation.schedule import Schedule

_MOST_RUNS = 2_000


def shrink(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    """Leave out events, first many at a time and at last one by one, as long as the rest still fails.

    Source of the method: Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input (2002).
    """
    runs, size = 0, max(1, len(schedule.events) // 2)
    while runs < _MOST_RUNS:
        is_smaller = False
        start = 0
        while start < len(schedule.events) and runs < _MOST_RUNS:
            candidate = schedule.without(set(range(start, start + size)))
            runs += 1
            if candidate.events != schedule.events and fails(candidate):
                schedule, is_smaller = candidate, True
            else:
                start += size
        if size == 1 and not is_smaller:
            break
        size = max(1, size // 2)
    return schedule
