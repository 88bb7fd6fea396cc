"""A re-tag gives way to everything else on its machine."""

import os
import sys
from contextlib import suppress

_NICE = 19


def give_way() -> None:
    """Run when nothing else wants to run. Threads and processes that are started later do likewise.

    Of the idle class a thread leaves its core as soon as another one wakes up; one that is merely nice keeps it for its
    turn, and live batches wait for that.
    """
    with suppress(OSError):
        os.nice(_NICE)
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
