"""Health, measured by the age of heartbeats."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from hangtag.telemetry.clock import Clock


@dataclass(frozen=True, slots=True)
class Pulse:
    """The age of a heartbeat and the largest healthy age, in seconds."""

    name: str
    age_s: float
    limit_s: float

    @property
    def is_healthy(self) -> bool:
        """True if the age is within the limit."""
        return self.age_s <= self.limit_s


class Heartbeats:
    """Named heartbeats, each with an age limit in seconds. An idle one does not age. Any thread may call."""

    def __init__(self, clock: Clock, limits_s: dict[str, float]) -> None:
        self._clock = clock
        self._limits = dict(limits_s)
        self._lock = threading.Lock()
        now = clock.monotonic()
        self._last: dict[str, float | None] = dict.fromkeys(limits_s, now)

    def beat(self, name: str, age_s: float = 0) -> None:
        """Record a heartbeat of `name`, which happened `age_s` ago."""
        with self._lock:
            self._last[name] = self._clock.monotonic() - age_s

    def idle(self, name: str) -> None:
        """Stop the ageing of `name` until its next `busy` or `beat`."""
        with self._lock:
            self._last[name] = None

    def busy(self, name: str) -> None:
        """End the idle time of `name`: its age counts from now. No effect if it was not idle."""
        with self._lock:
            if self._last[name] is None:
                self._last[name] = self._clock.monotonic()

    def pulses(self) -> list[Pulse]:
        """The age of every heartbeat."""
        now = self._clock.monotonic()
        with self._lock:
            return [
                Pulse(name, 0.0 if last is None else now - last, self._limits[name])
                for name, last in self._last.items()
            ]


Pulses = Callable[[], list[Pulse]]
