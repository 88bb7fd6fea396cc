"""Ctrl-C, SIGTERM and a closed terminal mean the same: stop what was started, then end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Never


class Stopped(BaseException):
    """The user or the system asked us to end. No `Exception`: nothing but `stopping` may catch it."""


@contextmanager
def stopping() -> Iterator[None]:
    """Within it SIGINT, SIGTERM and SIGHUP raise `Stopped` in the main thread, so that every `with` block cleans up.

    A second signal cuts the clean-up short; children die with us all the same.
    """
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(each, _raise) for each in signals]
    try:
        yield
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def _raise(number: int, _: FrameType | None) -> Never:
    raise Stopped(signal.Signals(number).name)
