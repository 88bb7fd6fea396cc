"""Ctrl-C, SIGTERM and a closed terminal mean the same: stop what was started, then end."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer, main_thread
from types import FrameType
from typing import Never

_AGAIN_S = 0.05


class Stopped(BaseException):
    """The user or the system asked us to end. No `Exception`: nothing but `stopping` may catch it."""


@contextmanager
def stopping() -> Iterator[None]:
    """Within it SIGINT, SIGTERM and SIGHUP raise `Stopped` in the main thread, so that every `with` block cleans up.

    A second signal cuts the clean-up short; children die with us all the same. A signal that comes while Python runs
    what cannot raise (a finaliser, a callback of a C library) is raised again in a moment.
    """
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(each, _raise) for each in signals]
    told = sys.unraisablehook

    again: list[Timer] = []

    def lost(what: "sys.UnraisableHookArgs") -> None:
        if isinstance(what.exc_value, Stopped):
            number = signal.Signals[str(what.exc_value)]
            again.append(Timer(_AGAIN_S, signal.pthread_kill, (main_thread().ident, number)))
            again[-1].start()
        else:
            told(what)

    sys.unraisablehook = lost
    try:
        yield
    finally:
        sys.unraisablehook = told
        for timer in again:
            timer.cancel()
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def _raise(number: int, _: FrameType | None) -> Never:
    raise Stopped(signal.Signals(number).name)
