"""Ctrl-C, SIGTERM and a closed terminal have the same effect: clean up, then end."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer, main_thread
from types import FrameType
from typing import Never

_RETRY_AFTER_S = 0.05


class Stopped(BaseException):
    """The user or the system asked the program to end. Not an `Exception`: only `stopping` callers may catch it."""


@contextmanager
def stopping() -> Iterator[None]:
    """Within the block SIGINT, SIGTERM and SIGHUP raise `Stopped` in the main thread, so that `with` blocks clean up.

    A second signal interrupts the clean-up; child processes end with this process in any case. A signal during code
    that cannot raise (a finaliser, a callback of a C library) is sent again shortly after.
    """
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous_handlers = [signal.signal(each, _raise) for each in signals]
    previous_hook = sys.unraisablehook

    timers: list[Timer] = []

    def send_again(unraisable: "sys.UnraisableHookArgs") -> None:
        if isinstance(unraisable.exc_value, Stopped):
            number = signal.Signals[str(unraisable.exc_value)]
            timers.append(Timer(_RETRY_AFTER_S, signal.pthread_kill, (main_thread().ident, number)))
            timers[-1].start()
        else:
            previous_hook(unraisable)

    sys.unraisablehook = send_again
    try:
        yield
    finally:
        sys.unraisablehook = previous_hook
        for timer in timers:
            timer.cancel()
        for each, handler in zip(signals, previous_handlers, strict=True):
            signal.signal(each, handler)


def _raise(number: int, _: FrameType | None) -> Never:
    raise Stopped(signal.Signals(number).name)
