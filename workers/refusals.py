"""For how long the brokers have refused every commit of a member."""

# Commits are repeated every second, and each may take three.
_REPEATED_WITHIN_S = 10.0


class Refusals:
    """Refused commits in a row. One that comes long after the one before is the first of a new row."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._last_s = 0.0

    def refused(self, now_s: float) -> float:
        """A commit was refused; returns for how long this has gone on, 0 at the first."""
        if self._since_s is None or now_s - self._last_s > _REPEATED_WITHIN_S:
            self._since_s = now_s
        self._last_s = now_s
        return now_s - self._since_s

    def over(self) -> None:
        """A commit succeeded, or the rebalance is over."""
        self._since_s = None
