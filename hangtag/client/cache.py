"""Answers that are used again for a while, as the caller allows."""

import threading
import time
from collections import OrderedDict
from typing import NamedTuple

from hangtag.client.results import ProductTags

# A product and what was asked of it.
Key = tuple[str, bytes]


class _Kept(NamedTuple):
    product: ProductTags
    as_of_s: float
    asked_at: float


class Cache:
    """The last answers, at most `entries`; the least used one makes room. Any thread may call.

    An answer's age is counted from its `as_of`, by the clocks of the server and of this machine. If this machine's is
    behind, its age is still at least the time since the client asked.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key, max_age_ms: float) -> ProductTags | None:
        """The answer, if there is one of at most this age."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            self._kept.move_to_end(key)
        age_s = max(time.time() - kept.as_of_s, time.monotonic() - kept.asked_at)
        return kept.product if age_s * 1_000 <= max_age_ms else None

    def put(self, key: Key, product: ProductTags, asked_at: float) -> None:
        """Keep an answer; `asked_at` is the monotonic time before the call. One that holds for earlier is not kept."""
        if product.as_of is None:
            return
        new = _Kept(product, product.as_of.timestamp(), asked_at)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.as_of_s <= new.as_of_s:
                self._kept[key] = new
                self._kept.move_to_end(key)
                if len(self._kept) > self._entries:
                    self._kept.popitem(last=False)
