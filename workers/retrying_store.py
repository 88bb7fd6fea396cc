"""Calls to the store, tried again until a deadline."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_random_exponential,
)

from hangtag.store import Arrival, Entry, Reply, StoreError, StoreMismatchError, TagStore
from hangtag.telemetry import metrics

_LONGEST_WAIT_S = 2

T = TypeVar("T")
R = TypeVar("R")


class RetryingStore:
    """A `TagStore` whose calls are tried again for `deadline_s`, or until `give_up` is set."""

    def __init__(self, store: TagStore, deadline_s: float, give_up: threading.Event) -> None:
        self._store = store
        self._retrying = Retrying(
            retry=retry_if_exception(_may_help),
            stop=stop_after_delay(deadline_s) | stop_when_event_set(give_up),
            wait=wait_random_exponential(multiplier=0.05, max=_LONGEST_WAIT_S),
            sleep=sleep_using_event(give_up),
            before_sleep=_count,
            reraise=True,
        )

    @property
    def identity(self) -> str:
        """See `TagStore`."""
        return self._store.identity

    def expect(self, identities: Sequence[str]) -> None:
        """See `TagStore`."""
        self._retrying.copy()(_timed, self._store.expect, identities)

    def mark_seen(self, arrivals: Sequence[Arrival]) -> None:
        """See `TagStore`; tried once, since only freshness depends on it."""
        _timed(self._store.mark_seen, arrivals)

    def mark_refused(self, arrivals: Sequence[Arrival]) -> None:
        """See `TagStore`."""
        self._retrying.copy()(_timed, self._store.mark_refused, arrivals)

    def write(self, entries: Sequence[Entry]) -> list[Reply]:
        """See `TagStore`."""
        return self._retrying.copy()(_timed, self._store.write, entries)

    def read(self, product_ids: Sequence[str]) -> list[Entry | None]:
        """See `TagStore`."""
        return self._retrying.copy()(_timed, self._store.read, product_ids)

    def close(self) -> None:
        """See `TagStore`."""
        self._store.close()


def _timed(call: Callable[[T], R], argument: T) -> R:
    with metrics.STORE_SECONDS.time():
        return call(argument)


def _may_help(error: BaseException) -> bool:
    return isinstance(error, StoreError) and not isinstance(error, StoreMismatchError)


def _count(_: RetryCallState) -> None:
    metrics.RETRIES.labels("store").inc()
