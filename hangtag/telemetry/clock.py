"""Time as a seam, so that waiting can be tested without waiting."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that only goes forward, one that tells the date."""

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        ...

    def wall_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        ...


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        return time.monotonic()

    def wall_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000
