"""Asks the store while it answers, and spares callers the wait while it does not."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from hangtag.store import Found, PartlyReadError, StoreError, StoreState
from hangtag.telemetry import metrics

# Products of the read that failed, which are read again to see whether the store is back.
_PROBED = 100


class TagReader(Protocol):
    """The store: `RedisTagReader`. Any thread may call; every call has a limit of time and raises `StoreError`."""

    address: str

    def read(self, ids: Sequence[str], primary: bool = True) -> Found:
        """The stored state of these products, in order."""
        ...

    def check(self) -> StoreState:
        """What the store records about itself."""
        ...


class StoreGate:
    """Closed from a failure on until `check` succeeds: meanwhile reads fail at once, with the error of that failure.

    Without it every read would wait for the timeout, and all that collected meanwhile would meet the store when it is
    back. `on_close` is called once for each closing, by the thread that met the error.
    """

    def __init__(self, reader: TagReader) -> None:
        self._reader = reader
        self.address = reader.address
        self.on_close: Callable[[], None] = _nothing
        self._problem: StoreError | None = None
        self._failed: Sequence[str] = ()
        self._openings = 0
        self._lock = threading.Lock()

    def read(self, ids: Sequence[str], primary: bool = True) -> Found:
        """The stored state of these products.

        Raises:
            PartlyReadError: nodes of a cluster did not answer.
            StoreError: the store did not answer, or did not when it was last asked.
        """
        problem, openings = self._problem, self._openings
        if problem is not None:
            raise type(problem)(str(problem)) from problem
        metrics.COALESCED_KEYS.observe(len(ids))
        try:
            with metrics.STORE_SECONDS.time():
                return self._reader.read(ids, primary)
        except PartlyReadError:
            raise  # the client itself spares its callers the wait for a node
        except StoreError as error:
            self._close(error, ids[:_PROBED], openings)
            raise

    def check(self) -> StoreState:
        """Ask the store, also while closed, what it records about itself, and again for what it could not answer.

        Raises:
            StoreError: as `RedisTagReader.check` and `read`. Reads fail from now on.
        """
        openings = self._openings
        try:
            state = self._reader.check()
            if self._failed:
                with suppress(PartlyReadError):  # the other nodes answer
                    self._reader.read(self._failed)
        except StoreError as error:
            self._close(error, self._failed, openings)
            raise
        with self._lock:
            self._openings += 1
            self._problem, self._failed = None, ()
        return state

    def _close(self, error: StoreError, failed: Sequence[str], openings: int) -> None:
        with self._lock:
            # A read that began before the store was back says nothing about the store as it is now.
            is_news = openings == self._openings
            was_open = self._problem is None
            if is_news:
                self._problem, self._failed = error, failed
        if is_news and was_open:
            self.on_close()


def _nothing() -> None:
    pass
