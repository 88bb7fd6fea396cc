"""Decides when too much goes to the dead letters to read on, and when to read again."""

from collections import deque
from enum import Enum, auto

WINDOW_S = 60.0
LEAST_DEAD = 200
TRY_EVERY_S = 30.0
TRY_RECORDS = 50
# A try that finds nothing to read for so long has found that there is nothing.
TRY_S = 5.0
# Counts are kept for each second, not for each record.
_GRAIN_S = 1.0


class _Phase(Enum):
    CLOSED = auto()
    WAITING = auto()
    TRYING = auto()


class Breaker:
    """Opens when, within 60 s, 200 records or more and at least half of all that settled went to the dead letters.

    While it is open nothing is read, except for a try every 30 s: up to 50 records, once all that was read before is
    settled. It closes when fewer than half of them go to the dead letters, when there is nothing to read, or when a
    person overrules it. Then it stays closed until a minute has passed that would not open it.

    Pure: the time is passed in, in seconds of any clock that never goes back.
    """

    def __init__(self) -> None:
        self._phase = _Phase.CLOSED
        self._counts: deque[tuple[float, int, int]] = deque()  # since when, settled, dead letters
        self._settled = self._dead = 0  # the sums of the counts; while trying, those of the try
        self._try_at = 0.0
        self._taken = 0
        self._reading_since: float | None = None
        self._overruled_at: float | None = None

    @property
    def is_open(self) -> bool:
        """True while nothing but tries is read."""
        return self._phase is not _Phase.CLOSED

    @property
    def counts(self) -> tuple[int, int]:
        """Settled records and the dead letters among them: of the try, or else of the last 60 s before it opened."""
        return self._settled, self._dead

    def room(self, now_s: float, unsettled: int) -> int | None:
        """How many records may be read now; None: any number. `unsettled` are those that were read before."""
        if self._phase is _Phase.WAITING and now_s >= self._try_at and not unsettled:
            self._phase = _Phase.TRYING
            self._settled = self._dead = self._taken = 0
            self._reading_since = None
        if self._phase is _Phase.TRYING:
            if left := self._left(now_s):
                return left
            if not unsettled:
                self._end_try(now_s)
        return None if self._phase is _Phase.CLOSED else 0

    def read(self, count: int, now_s: float) -> None:
        """So many records were read, perhaps none. Not to be called while reading is paused for another reason."""
        if self._phase is _Phase.TRYING:
            self._taken += count
            self._reading_since = now_s if self._reading_since is None else self._reading_since

    def settled(self, count: int, dead: int, now_s: float) -> None:
        """So many records were settled; `dead` of them are dead letters."""
        if self._phase is _Phase.WAITING:
            return  # what was read before it opened
        self._settled += count
        self._dead += dead
        if self._phase is _Phase.TRYING:
            return
        if self._counts and now_s - self._counts[-1][0] < _GRAIN_S:
            since, settled, dead_before = self._counts.pop()
            self._counts.append((since, settled + count, dead_before + dead))
        else:
            self._counts.append((now_s, count, dead))
        while now_s - self._counts[0][0] > WINDOW_S:
            _, old, old_dead = self._counts.popleft()
            self._settled -= old
            self._dead -= old_dead
        is_bad = self._dead >= LEAST_DEAD and self._dead * 2 >= self._settled
        if self._overruled_at is not None:
            if not is_bad and now_s - self._overruled_at >= WINDOW_S:
                self._overruled_at = None
        elif is_bad:
            self._phase = _Phase.WAITING
            self._try_at = now_s + TRY_EVERY_S

    def overrule(self, now_s: float) -> None:
        """A person decided to read on. No effect while it is closed."""
        if self.is_open:
            self._close()
            self._overruled_at = now_s

    def _left(self, now_s: float) -> int:
        is_quiet = self._reading_since is not None and now_s - self._reading_since >= TRY_S
        return 0 if is_quiet else max(0, TRY_RECORDS - self._taken)

    def _end_try(self, now_s: float) -> None:
        if self._settled == 0 or self._dead * 2 < self._settled:
            self._close()
        else:
            self._phase = _Phase.WAITING
            self._try_at = now_s + TRY_EVERY_S

    def _close(self) -> None:
        self._phase = _Phase.CLOSED
        self._counts.clear()
        self._settled = self._dead = 0
