"""The clock, replaceable in tests so that they need not wait."""

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic time and wall-clock time."""

    def monotonic(self) -> float:
        """Seconds; never goes back, and has no defined starting point."""
        ...

    def wall_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The system's clocks."""

    def monotonic(self) -> float:
        """Seconds; never goes back, and has no defined starting point."""
        return time.monotonic()

    def wall_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000
