"""How many tokens a batch may cost, after the device has run out of memory."""

from hangtag.telemetry import get_log

_LEAST_TOKENS = 512
# After so many batches that fit, the budget grows again: whatever took the memory may be gone.
_TRY_MORE_AFTER = 100

_log = get_log(__name__)


class TokenBudget:
    """Halved by a batch that was too large, doubled by a hundred in a row that fit, never above `most`."""

    def __init__(self, most: int) -> None:
        self._most = self.tokens = most
        self._fitting = 0

    def ran(self, budget: int, *, ran_out_of_memory: bool) -> None:
        """A batch planned with `budget` is done. One that was planned before the budget changed does not change it."""
        if budget != self.tokens:
            return
        if ran_out_of_memory:
            self.tokens = max(_LEAST_TOKENS, self.tokens // 2)
            _log.warning("out_of_memory", next_budget=self.tokens)
            self._fitting = 0
            return
        self._fitting += 1
        if self.tokens < self._most and self._fitting >= _TRY_MORE_AFTER:
            self.tokens = min(self._most, self.tokens * 2)
            _log.info("memory_budget_raised", next_budget=self.tokens)
            self._fitting = 0
