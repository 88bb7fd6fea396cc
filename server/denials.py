"""Counts denied calls, and logs them: the first one, and then the number of every 10 s."""

import threading
import time
from collections import Counter

from hangtag.server.errors import Reason
from hangtag.telemetry import get_log, metrics

# The client of whoever sends no token, or none that is known. No client has this name.
UNKNOWN = "(unknown)"
_LOG_EVERY_S = 10.0
_log = get_log(__name__)
_NEXT = {
    Reason.TOKEN_MISSING: "let the caller send a token, see `hangtag token new`",
    Reason.TOKEN_UNKNOWN: "find out who calls with a token that server.tokens_file does not have",
    Reason.TOKEN_EXPIRED: "make a new token for the client with `hangtag token new`",
    Reason.SCOPE_MISSING: "if the client may call this, make it a token with this scope",
    Reason.CLIENT_QUOTA: "raise the quota of the client, or let it call less often",
}


class Denials:
    """Denied calls by client and reason. Any thread may call. Tokens never come here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unlogged: Counter[tuple[str, Reason]] = Counter()
        self._next_s = 0.0

    def count(self, client: str, reason: Reason) -> None:
        """Count one denied call."""
        metrics.DENIED_CALLS.labels(client, reason.label).inc()
        with self._lock:
            self._unlogged[client, reason] += 1
        self.write()

    def write(self) -> None:
        """Log what was counted, if the time for it has come. To be called every second or so."""
        with self._lock:
            now = time.monotonic()
            if not self._unlogged or now < self._next_s:
                return
            self._next_s = now + _LOG_EVERY_S
            unlogged, self._unlogged = self._unlogged, Counter()
        for (client, reason), count in unlogged.items():
            _log.warning("calls denied", client=client, reason=reason.label, count=count, next=_NEXT[reason])
