"""How many tokens the engine may be given at a time, so that nobody waits long for a batch that is running."""

# Batches below this share of the limit say little about what a full one takes.
_FULL = 1 / 3
# Of the last batch in the measured rate.
_WEIGHT = 0.3
_MOST_CHANGE = 2.0


class Pace:
    """Finds the largest batch that takes at most `target_s`, from what batches took.

    `tokens` is the limit of the next batch: at least `least` and at most `most`. `tokens_per_s` is what a full engine
    tags; None until a batch was large enough to tell.
    """

    def __init__(self, most: int, target_s: float, least: int = 64) -> None:
        self._most = most
        self._least = min(least, most)
        self._target_s = target_s
        # Small at first: a batch that is too small costs little, and the limit grows with the first full ones.
        self.tokens = min(most, 4 * self._least)
        self.tokens_per_s: float | None = None

    def ran(self, tokens: int, took_s: float) -> None:
        """Note that a batch of so many tokens took that long."""
        if tokens < self.tokens * _FULL or took_s <= 0:
            return
        rate = tokens / took_s
        if self.tokens_per_s is not None:
            rate = self.tokens_per_s + _WEIGHT * (rate - self.tokens_per_s)
        self.tokens_per_s = rate
        wanted = min(rate * self._target_s, self.tokens * _MOST_CHANGE)
        self.tokens = int(min(self._most, max(self._least, wanted)))
