"""Memory that loading took and nobody uses any more."""

import ctypes
import sys

# As in malloc.h.
_ARENA_MAX = -8


def give_back() -> None:
    """Return free memory to the system: what a bundle and an engine take while they are loaded, some tens of MB.

    The C library keeps it otherwise. Only glibc can; elsewhere nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def share_memory_between_threads() -> None:
    """Let threads that start from now on take memory from one place: what one gives back, another can use.

    Threads that run Python do so one at a time: a place for each costs memory and saves no time. Only glibc has them.
    """
    option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if option is not None:
        option(_ARENA_MAX, 1)
