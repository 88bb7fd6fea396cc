"""Counts finished calls, many at a time, with the metrics' children kept: looking one up costs as much as a reply."""

from collections.abc import Sequence

import grpc
from prometheus_client import Counter as PrometheusCounter

from hangtag.telemetry import metrics

# Method, status and time of arrival of a call that ended.
End = tuple[str, grpc.StatusCode, float]

_Code = grpc.StatusCode
# A transport ends a call at its deadline a little before the deadline by our clock.
_EARLY_S = 0.02


class Tally:
    """Counts calls by method and status, and their durations. Any thread may call."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, grpc.StatusCode], PrometheusCounter] = {}
        self._seconds: dict[str, metrics.ManyHistogram] = {}

    def add(self, method: str, code: grpc.StatusCode, seconds: float, count: int = 1) -> None:
        """Count calls that ended with a status after the same time."""
        try:
            self._calls[method, code].inc(count)
            self._seconds[method].observe_many(seconds, count)
        except KeyError:
            self._calls[method, code] = metrics.CALLS.labels(method, code.name)
            self._seconds[method] = metrics.CALL_SECONDS.labels(method)
            self.add(method, code, seconds, count)

    def add_all(self, ends: Sequence[End], now_s: float) -> None:
        """Count calls that end now. Those that arrived together mostly end together, and are counted at once."""
        start = 0
        for place in range(1, len(ends) + 1):
            if place == len(ends) or ends[place] != ends[start]:
                method, code, arrived_s = ends[start]
                self.add(method, code, now_s - arrived_s, place - start)
                start = place


def code_of_cancelled(deadline_s: float, now_s: float) -> grpc.StatusCode:
    """The status of a call that its caller does not wait for any more."""
    return _Code.DEADLINE_EXCEEDED if now_s >= deadline_s - _EARLY_S else _Code.CANCELLED
