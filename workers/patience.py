"""Single calls to the store and the brokers, tried again until a deadline."""

import threading
from collections.abc import Sequence

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_random_exponential,
)

from hangtag.records import Record
from hangtag.store import Entry, Outcome, StoreError, StoreMismatchError, TagStore
from hangtag.telemetry import metrics
from workers.sink import Reason, RecordSink, SinkError

_LONGEST_WAIT_S = 2


class PatientStore:
    """A `TagStore` whose writes are tried again for `deadline_s`, or until `give_up` is set."""

    def __init__(self, store: TagStore, deadline_s: float, give_up: threading.Event) -> None:
        self._store = store
        self._retrying = _retrying("store", StoreError, deadline_s, give_up)

    def mark_seen(self, products: Sequence[tuple[str, int]]) -> None:
        """See `TagStore`; tried once, for only freshness hangs on it."""
        self._store.mark_seen(products)

    def write(self, entries: Sequence[Entry]) -> list[Outcome]:
        """See `TagStore`."""
        return self._retrying.copy()(self._store.write, entries)

    def close(self) -> None:
        """See `TagStore`."""
        self._store.close()


class PatientSink:
    """A `RecordSink` that is flushed again for `deadline_s`, or until `give_up` is set."""

    def __init__(self, sink: RecordSink, deadline_s: float, give_up: threading.Event) -> None:
        self._sink = sink
        self._retrying = _retrying("sink", SinkError, deadline_s, give_up)

    def tagged(self, product_id: str, value: bytes | None) -> None:
        """See `RecordSink`."""
        self._sink.tagged(product_id, value)

    def dead_letter(self, record: Record, reason: Reason, bundle_version: str) -> None:
        """See `RecordSink`."""
        self._sink.dead_letter(record, reason, bundle_version)

    def flush(self) -> None:
        """See `RecordSink`."""
        self._retrying.copy()(self._sink.flush)

    def close(self) -> None:
        """See `RecordSink`."""
        self._sink.close()


def _retrying(system: str, retried: type[Exception], deadline_s: float, give_up: threading.Event) -> Retrying:
    def helps(error: BaseException) -> bool:
        return isinstance(error, retried) and not isinstance(error, StoreMismatchError)

    def count(_: RetryCallState) -> None:
        metrics.RETRIES.labels(system).inc()

    return Retrying(
        retry=retry_if_exception(helps),
        stop=stop_after_delay(deadline_s) | stop_when_event_set(give_up),
        wait=wait_random_exponential(multiplier=0.05, max=_LONGEST_WAIT_S),
        sleep=sleep_using_event(give_up),
        before_sleep=count,
        reraise=True,
    )
