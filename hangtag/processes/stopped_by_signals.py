"""The signals that ask a program to stop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM, SIGINT and SIGHUP set; a second one ends the process. Call it from the main thread."""
    stop = threading.Event()

    def first(*_: object) -> None:
        stop.set()
        for number in before:
            signal.signal(number, signal.SIG_DFL)

    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` lets it be ignored
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, first) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
