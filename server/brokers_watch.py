"""Whether the brokers answer a reader of `products.tagged`: in a metric, and in the log where it changes."""

from prometheus_client import Gauge

from hangtag.telemetry import get_log

# A broker answers a fetch after half a second, even if there is nothing to read.
_AWAY_S = 10.0

_log = get_log(__name__)


class BrokersWatch:
    """Reports whether a topic can be followed. `next_step` is what an operator is told where it cannot."""

    def __init__(self, topic: str, gauge: Gauge, next_step: str) -> None:
        self._topic = topic
        self._gauge = gauge
        self._next_step = next_step
        self._is_up: bool | None = None

    def silent(self, seconds: float) -> None:
        """The brokers last answered so long ago."""
        self.report(f"the brokers have not answered for {seconds:.0f} s" if seconds > _AWAY_S else None)

    def report(self, problem: str | None) -> None:
        """The topic can be followed, or not because of a problem."""
        is_up = problem is None
        self._gauge.set(is_up)
        if is_up is self._is_up:
            return
        self._is_up = is_up
        if is_up:
            _log.info("follows", topic=self._topic)
        else:
            _log.warning("cannot follow", topic=self._topic, reason=problem, next=self._next_step)
