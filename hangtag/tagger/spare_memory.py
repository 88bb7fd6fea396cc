"""Memory that loading took and nobody uses any more."""

import ctypes
import sys


def give_back() -> None:
    """Return free memory to the system: what a bundle and an engine take while they are loaded, some tens of MB.

    The C library keeps it otherwise. Only glibc can; elsewhere nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
