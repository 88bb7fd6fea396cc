"""Which products are looked up most, counted on a sample."""

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

# Of so many look-ups one is counted, on average.
_ONE_IN = 64
_MOST_SHOWN = 100


class Popular:
    """Counts a sample of the look-ups of each product, for the products that are looked up most. Thread-safe.

    At most twice `most` products are held; beyond that those with the lowest counts are forgotten. What is looked up
    often is hardly ever among these, so only the counts of rare products are too low.
    """

    def __init__(self, most: int = 1_000, one_in: int = _ONE_IN, seed: int | None = None) -> None:
        self._most = most
        self._one_in = one_in
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._since_s = time.time()
        self._next = self._gap() - 1

    def count(self, product_ids: Sequence[str]) -> None:
        """Note that these products were looked up; an id may be repeated."""
        # Without the lock: a count that another thread overwrites here makes the sample a little smaller.
        self._next -= len(product_ids)
        if self._next < 0:
            self._sample(product_ids)

    def page(self) -> dict[str, Any]:
        """The products that are looked up most, with their estimated look-ups since the start of the server."""
        with self._lock:
            best = Counter(self._counts).most_common(_MOST_SHOWN)
        return {
            "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._since_s)),
            "sampled_one_in": self._one_in,
            "lookups": {product: count * self._one_in for product, count in best},
        }

    def _sample(self, product_ids: Sequence[str]) -> None:
        with self._lock:
            place = max(0, self._next + len(product_ids))
            while place < len(product_ids):
                product = product_ids[place]
                self._counts[product] = self._counts.get(product, 0) + 1
                place += self._gap()
            self._next = place - len(product_ids)
            if len(self._counts) > 2 * self._most:
                self._counts = dict(Counter(self._counts).most_common(self._most))

    def _gap(self) -> int:
        """How many look-ups further the next counted one is; random, so that no pattern of callers agrees with it."""
        return self._random.randint(1, 2 * self._one_in - 1)


def merged(pages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The pages of several processes as one."""
    lookups: Counter[str] = Counter()
    for page in pages:
        lookups.update(page["lookups"])
    return {
        "since": min((page["since"] for page in pages), default=None),
        "sampled_one_in": _ONE_IN,
        "lookups": dict(lookups.most_common(_MOST_SHOWN)),
    }
