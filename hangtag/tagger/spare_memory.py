"""Memory that loading took and nobody uses any more."""

import ctypes
import sys
from typing import Any

# As in malloc.h.
_ARENA_MAX = -8
_C: Any = ctypes.CDLL(None) if sys.platform == "linux" else None


def give_back() -> None:
    """Return free memory to the system: what a bundle and an engine take while they are loaded, some tens of MB.

    The C library keeps it otherwise. Only glibc can; elsewhere nothing happens.
    """
    trim = getattr(_C, "malloc_trim", None)
    if trim is not None:
        trim(0)


def share_memory_between_threads() -> None:
    """Let threads that start from now on take memory from one place: what one gives back, another can use.

    Threads that run Python do so one at a time: a place for each costs memory and saves no time. Only glibc has them.
    """
    option = getattr(_C, "mallopt", None)
    if option is not None:
        option(_ARENA_MAX, 1)
