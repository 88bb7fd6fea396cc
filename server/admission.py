"""Limits of the work in progress: product ids, calls, tokens of texts, and replies that clients have not read."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hangtag.server.errors import CallError, Reason
from hangtag.telemetry import get_log, metrics

# Unread replies of one connection, and of all.
MAX_UNREAD_BYTES_PER_CONNECTION = 16 * 1024 * 1024
MAX_UNREAD_BYTES = 256 * 1024 * 1024
_LOG_EVERY_S = 10.0

_log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is refused: the label in metrics and logs, what callers are told, and what an operator can do."""

    limit: str
    reason: Reason
    next: str


CALLS = Refusal("calls", Reason.TOO_MANY_CALLS, "start more servers, or raise server.max_concurrent")
IDS = Refusal("ids", Reason.TOO_MANY_IDS, "start more servers, or raise server.max_ids_in_progress")
WAITS = Refusal("waits", Reason.TOO_MANY_WAITS, "start more servers, or find the client that waits so often")
TEXTS = Refusal("texts", Reason.TOO_MANY_TEXTS, "start more servers, or raise server.suggest_queue_tokens")
SEARCHES = Refusal(
    "searches", Reason.TOO_MANY_SEARCHES, "find the client that searches so often, or raise server.max_search_work"
)
JSON = Refusal("json", Reason.TOO_MANY_CALLS, "start more servers, or let large batches come over gRPC or as protobuf")
UNREAD = Refusal(
    "unread",
    Reason.UNREAD_REPLIES,
    "find the client that does not read its replies; its own calls are refused first",
)
DEADLINE = Refusal("deadline", Reason.DEADLINE_TOO_SHORT, "start more servers, or let callers wait longer")


class RefusedError(CallError):
    """Ends a call with RESOURCE_EXHAUSTED; `refusal` says which limit is reached."""

    def __init__(self, refusal: Refusal, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(refusal.reason, message, retry_after_s)
        self.refusal = refusal


class Limit:
    """An amount of work in progress, at most `most`; more than that is admitted only if it is alone.

    Any thread may call.
    """

    def __init__(self, most: int, unit: str, refusal: Refusal) -> None:
        self._most = most
        self._unit = unit
        self._refusal = refusal
        self._lock = threading.Lock()
        self.amount = 0

    def add(self, amount: int, retry_after_s: float | None = None) -> None:
        """Count work that begins.

        Raises:
            RefusedError: the limit is reached; nothing is counted.
        """
        with self._lock:
            if self.amount and self.amount + amount > self._most:
                raise self.refusal(retry_after_s)
            self.amount += amount

    def reserve(self, amount: int) -> bool:
        """Count work that begins, if there is plenty of room; False: nothing is counted, and each has to be added."""
        with self._lock:
            if 2 * (self.amount + amount) > self._most:
                return False
            self.amount += amount
            return True

    def refusal(self, retry_after_s: float | None = None) -> RefusedError:
        """The error of work that does not fit."""
        message = f"{self.amount} {self._unit} are in progress, the maximum is {self._most}; retry with back-off"
        return RefusedError(self._refusal, message, retry_after_s)

    def remove(self, amount: int) -> None:
        """Count work that ended."""
        with self._lock:
            self.amount -= amount

    @contextmanager
    def during(self, amount: int) -> Iterator[None]:
        """Count work while it runs. Errors: as `add`."""
        self.add(amount)
        try:
            yield
        finally:
            self.remove(amount)


class Unread:
    """Bytes of replies that clients have not read yet, by connection."""

    def __init__(
        self, most_per_connection: int = MAX_UNREAD_BYTES_PER_CONNECTION, most: int = MAX_UNREAD_BYTES
    ) -> None:
        self._most_per_connection = most_per_connection
        self._most = most
        self._by_connection: Counter[str] = Counter()

    @property
    def is_empty(self) -> bool:
        """True if nothing is unread."""
        return not self._by_connection

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
    """Counts refused calls, and logs the first one and then the number of every 10 s: overload must not fill a log.

    Any thread may call.
    """

    def __init__(self, every_s: float = _LOG_EVERY_S) -> None:
        self._every_s = every_s
        self._lock = threading.Lock()
        self._unlogged: Counter[Refusal] = Counter()
        self._next_s = 0.0

    def count(self, method: str, refusal: Refusal) -> None:
        """Count one refused call."""
        metrics.REFUSED_CALLS.labels(method, refusal.limit).inc()
        with self._lock:
            self._unlogged[refusal] += 1
        self.write()

    def write(self) -> None:
        """Log what was counted, if the time for it has come. To be called every second or so."""
        with self._lock:
            now = time.monotonic()
            if not self._unlogged or now < self._next_s:
                return
            self._next_s = now + self._every_s
            unlogged, self._unlogged = self._unlogged, Counter()
        for refusal, count in unlogged.items():
            _log.warning("calls refused", limit=refusal.limit, count=count, next=refusal.next)
