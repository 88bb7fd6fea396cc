"""Whether a program can do its work yet, part by part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """Something a program needs before it is ready; `reason` says what it waits for, or why it is ready."""

    name: str
    is_ready: bool
    reason: str


Parts = Callable[[], Sequence[Part]]
