"""Signals that ask a program of several processes to stop."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class StopSignals:
    """Signals that ask a program to stop, counted. `wake` becomes readable with each."""

    def __init__(self) -> None:
        self.count = 0
        self.wake, self._waker = socket.socketpair()
        for each in (self.wake, self._waker):
            each.setblocking(False)

    def add(self, *_: object) -> None:
        """A signal came."""
        self.count += 1
        with suppress(BlockingIOError):
            self._waker.send(b"x")

    def clear(self) -> None:
        """Make `wake` unreadable until the next signal."""
        with suppress(BlockingIOError):
            self.wake.recv(64)

    def close(self) -> None:
        """Close the sockets."""
        self.wake.close()
        self._waker.close()


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Count SIGTERM, SIGINT and SIGHUP (unless `nohup` ignores it). Call it from the main thread."""
    signals = StopSignals()
    kinds = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` lets it be ignored
        kinds.append(signal.SIGHUP)
    before = [signal.signal(kind, signals.add) for kind in kinds]
    try:
        yield signals
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
        signals.close()
