"""Limits of the work in progress: calls, product ids, texts and replies that clients have not read."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from hangtag.server.errors import CallError
from hangtag.telemetry import get_log, metrics

# Unread replies of one connection, and of all.
MAX_UNREAD_BYTES_PER_CONNECTION = 16 * 1024 * 1024
MAX_UNREAD_BYTES = 256 * 1024 * 1024
_LOG_EVERY_S = 10.0

_log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is refused: the label in metrics and logs, and what an operator can do."""

    limit: str
    next: str


CALLS = Refusal("calls", "start more servers, or raise server.max_concurrent")
IDS = Refusal("ids", "start more servers, or raise server.max_ids_in_progress")
TEXTS = Refusal("texts", "start more servers, or raise server.suggest_queue_tokens")
UNREAD = Refusal("unread", "find the client that does not read its replies; its own calls are refused first")


class RefusedError(CallError):
    """Ends a call with RESOURCE_EXHAUSTED; `refusal` says which limit is reached."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        self.refusal = refusal


class Limit:
    """An amount of work in progress, at most `most`; more than that is admitted only if it is alone."""

    def __init__(self, most: int, unit: str, refusal: Refusal) -> None:
        self._most = most
        self._unit = unit
        self._refusal = refusal
        self._amount = 0

    @contextmanager
    def during(self, amount: int) -> Iterator[None]:
        """Count work while it runs.

        Raises:
            RefusedError: the limit is reached; nothing is counted.
        """
        if self._amount and self._amount + amount > self._most:
            message = f"{self._amount} {self._unit} are in progress, the maximum is {self._most}; retry with back-off"
            raise RefusedError(self._refusal, message)
        self._amount += amount
        try:
            yield
        finally:
            self._amount -= amount


class Unread:
    """Bytes of replies that clients have not read yet, by connection."""

    def __init__(
        self, most_per_connection: int = MAX_UNREAD_BYTES_PER_CONNECTION, most: int = MAX_UNREAD_BYTES
    ) -> None:
        self._most_per_connection = most_per_connection
        self._most = most
        self._by_connection: Counter[str] = Counter()

    def check(self, connection: str) -> None:
        """Raise `RefusedError` if this connection, or all of them, have too much unread."""
        held = self._by_connection.get(connection, 0)
        if held > self._most_per_connection or (held and self._by_connection.total() > self._most):
            message = f"this connection has {held} bytes of replies that were not read; read them, then retry"
            raise RefusedError(UNREAD, message)

    def add(self, connection: str, size: int) -> None:
        """Count a reply that is being sent."""
        self._by_connection[connection] += size

    def remove(self, connection: str, size: int) -> None:
        """Count a reply that was read, or whose connection is closed."""
        self._by_connection[connection] -= size
        if not self._by_connection[connection]:
            del self._by_connection[connection]


class RefusalLog:
    """Counts refused calls, and logs the first one and then the number of every 10 s: overload must not fill a log."""

    def __init__(self, every_s: float = _LOG_EVERY_S) -> None:
        self._every_s = every_s
        self._unlogged: Counter[Refusal] = Counter()
        self._is_scheduled = False

    def count(self, method: str, refusal: Refusal) -> None:
        """Count one refused call. Needs a running event loop."""
        metrics.REFUSED_CALLS.labels(method, refusal.limit).inc()
        self._unlogged[refusal] += 1
        if not self._is_scheduled:
            self._write()

    def _write(self) -> None:
        self._is_scheduled = bool(self._unlogged)
        for refusal, count in self._unlogged.items():
            _log.warning("calls refused", limit=refusal.limit, count=count, next=refusal.next)
        self._unlogged.clear()
        if self._is_scheduled:
            asyncio.get_running_loop().call_later(self._every_s, self._write)
