"""Health is the age of things that must go on, never a constant."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from hangtag.telemetry.clock import Clock


@dataclass(frozen=True, slots=True)
class Pulse:
    """How old a beat is and how old it may be, in seconds."""

    name: str
    age_s: float
    limit_s: float

    @property
    def is_healthy(self) -> bool:
        """True while the beat is young enough."""
        return self.age_s <= self.limit_s


class Heartbeats:
    """Named beats with a limit each; any thread may beat. One that is `idle` waits for work and does not age."""

    def __init__(self, clock: Clock, limits_s: dict[str, float]) -> None:
        self._clock = clock
        self._limits = dict(limits_s)
        self._lock = threading.Lock()
        now = clock.monotonic()
        self._last: dict[str, float | None] = dict.fromkeys(limits_s, now)

    def beat(self, name: str) -> None:
        """Something that must go on went on."""
        with self._lock:
            self._last[name] = self._clock.monotonic()

    def idle(self, name: str) -> None:
        """There is nothing to do for `name` until its next `busy`."""
        with self._lock:
            self._last[name] = None

    def busy(self, name: str) -> None:
        """There is work for `name`: its age counts from now if it was idle."""
        with self._lock:
            if self._last[name] is None:
                self._last[name] = self._clock.monotonic()

    def pulses(self) -> list[Pulse]:
        """Every beat's age."""
        now = self._clock.monotonic()
        with self._lock:
            return [
                Pulse(name, 0.0 if last is None else now - last, self._limits[name])
                for name, last in self._last.items()
            ]


Pulses = Callable[[], list[Pulse]]
