"""How fast records are settled, and how long what is left takes."""

import math

# Weights fall to 1/e in this time, and a rate is 0 after as long without a settled record.
MEMORY_S = 60.0


class SettlingRate:
    """Records settled a second while there was work, exponentially weighted over about `memory_s`.

    Time without work does not count: a worker that was idle overnight is not slow in the morning. With `skips_first`,
    neither do the first records that are settled after such a time, nor how long they took: that says little of how
    many follow each other when more of them wait.
    """

    def __init__(self, now_s: float, memory_s: float = MEMORY_S, *, skips_first: bool = False) -> None:
        self._memory_s, self._skips_first = memory_s, skips_first
        self._is_first = True
        self._count = 0
        self._records = self._seconds = 0.0
        self._measured_s = self._moved_s = now_s
        self._had_work = False

    def settled(self, count: int) -> None:
        """So many records were settled."""
        self._count += count

    @property
    def per_s(self) -> float:
        """Records settled a second as of the last measurement; 0 if nothing was settled for `memory_s`, or ever."""
        is_stuck = self._had_work and self._measured_s - self._moved_s >= self._memory_s
        return 0.0 if is_stuck or not self._seconds else self._records / self._seconds

    def blended_with(self, per_s: float, weight_s: float) -> float:
        """The same, with another rate that counts like one of `weight_s` seconds: for a start without jumps."""
        if not self.per_s or not per_s:
            return self.per_s or per_s
        return (self._records + per_s * weight_s) / (self._seconds + weight_s)

    def drain_s(self, lag: int, now_s: float) -> float:
        """Seconds until `lag` records are settled at this rate; infinite if there are some and nothing was settled.

        Call it every second or so: it also takes the measurement.
        """
        elapsed = now_s - self._measured_s
        if self._skips_first and self._is_first:
            self._is_first = not self._count
        elif (self._count or self._had_work) and elapsed > 0:
            keep = math.exp(-elapsed / self._memory_s)
            self._records = self._records * keep + self._count
            self._seconds = self._seconds * keep + elapsed
        if self._count or not self._had_work:
            self._moved_s = now_s
        self._measured_s, self._count, self._had_work = now_s, 0, lag > 0
        self._is_first = self._is_first or not lag
        if not lag:
            return 0.0
        return lag / self.per_s if self.per_s else math.inf
