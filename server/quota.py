"""How much one client may call: calls a second, ids a second, and calls at a time."""

import threading
from collections.abc import Callable
from typing import NamedTuple

# What a client may use at once after it was quiet: as much as of one second.
_BURST_S = 1.0


class Excess(NamedTuple):
    """A quota that is used up: what it is, and when to try again, in seconds, if that is known."""

    what: str
    retry_after_s: float | None


class _Rate:
    """At most so many a second. Amounts may be larger than that: they are paid for by the time after them."""

    def __init__(self, per_s: float, unit: str) -> None:
        self._per_s = per_s
        self._unit = unit
        # When everything that was taken is paid for.
        self._paid_s = 0.0

    def excess(self, now_s: float) -> Excess | None:
        too_soon_s = self._paid_s - now_s - _BURST_S
        return Excess(f"{self._per_s:g} {self._unit} a second", too_soon_s) if too_soon_s > 0 else None

    def take(self, amount: int, now_s: float) -> None:
        self._paid_s = max(self._paid_s, now_s) + amount / self._per_s


class Quota:
    """What a client may use, and what it has used. Any thread may call."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        calls_per_s: float | None = None,
        concurrency: int | None = None,
        ids_per_s: float | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._concurrency = concurrency
        self._in_progress = 0
        self._calls = None if calls_per_s is None else _Rate(calls_per_s, "calls")
        self._ids = None if ids_per_s is None else _Rate(ids_per_s, "ids and texts")

    @property
    def is_unlimited(self) -> bool:
        """True if nothing is limited, so that nothing need be counted."""
        return (self._calls, self._ids, self._concurrency) == (None, None, None)

    def begin(self, ids: int) -> Excess | None:
        """Count a call that begins, or say which quota forbids it; then nothing is counted."""
        now_s = self._monotonic()
        with self._lock:
            if self._concurrency is not None and self._in_progress >= self._concurrency:
                return Excess(f"{self._concurrency} calls at a time", None)
            for rate in (self._calls, self._ids):
                if rate is not None and (excess := rate.excess(now_s)) is not None:
                    return excess
            if self._calls is not None:
                self._calls.take(1, now_s)
            if self._ids is not None:
                self._ids.take(ids, now_s)
            self._in_progress += 1
        return None

    def end(self) -> None:
        """Count a call that ended."""
        with self._lock:
            self._in_progress -= 1
