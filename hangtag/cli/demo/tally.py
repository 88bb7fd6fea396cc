"""The state of each published product: waiting, tagged or dead letter."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from hangtag.v1 import tags_pb2

_TAGGED = frozenset({tags_pb2.FRESHNESS_FRESH, tags_pb2.FRESHNESS_STALE})


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of products; `published` is the sum of the three states. `oldest_s`: age of the oldest that waits."""

    published: int
    tagged: int
    dead: int
    waiting: int
    oldest_s: float

    @property
    def settled(self) -> int:
        """Number of products that are tagged or dead letters."""
        return self.tagged + self.dead


class Tally:
    """Counts products by state. Tagged: tags of the published or a newer version are stored. Any thread may call."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._versions: dict[str, int] = {}
        self._waiting: dict[str, float] = {}  # the time of publishing, oldest first
        self._dead: set[str] = set()

    def published(self, product_id: str, version: int) -> None:
        """Count a product that was sent. With a newer version it waits again, but is still counted once."""
        with self._lock:
            known = self._versions.get(product_id)
            if known is None or version > known:
                self._versions[product_id] = version
                self._dead.discard(product_id)
                self._waiting.setdefault(product_id, self._monotonic())

    def waiting(self, limit: int) -> list[str]:
        """Ids of waiting products, at most `limit`, those that wait longest first."""
        with self._lock:
            return list(islice(self._waiting, limit))

    def everything(self) -> list[str]:
        """All published ids, in the order of publishing."""
        with self._lock:
            return list(self._versions)

    def see_products(self, products: Iterable[tags_pb2.GetProductTagsResponse]) -> None:
        """Update the counts from look-ups."""
        with self._lock:
            for product in products:
                if self._is_tagged(product):
                    self._waiting.pop(product.product_id, None)
                    self._dead.discard(product.product_id)

    def see_dead_letters(self, product_ids: Iterable[str]) -> None:
        """Update the counts from the keys of dead letters; keys of products that are not waiting are ignored."""
        with self._lock:
            for product_id in product_ids:
                if self._waiting.pop(product_id, None) is not None:
                    self._dead.add(product_id)

    def audit(self, products: Iterable[tags_pb2.GetProductTagsResponse]) -> Counts:
        """Count again from new look-ups of all products: one that is no longer tagged is waiting again."""
        with self._lock:
            tagged = {product.product_id for product in products if self._is_tagged(product)}
            dead = self._dead - tagged
            lost = set(self._versions) - tagged - dead
            self._dead = dead
            self._waiting = {
                each: self._waiting.get(each, self._monotonic()) for each in self._versions if each in lost
            }
        return self.counts()

    def counts(self) -> Counts:
        """The current counts."""
        with self._lock:
            oldest = next(iter(self._waiting.values()), None)
            published, dead, waiting = len(self._versions), len(self._dead), len(self._waiting)
            age = 0.0 if oldest is None else self._monotonic() - oldest
        return Counts(published, published - dead - waiting, dead, waiting, age)

    def _is_tagged(self, product: tags_pb2.GetProductTagsResponse) -> bool:
        version = self._versions.get(product.product_id)
        return version is not None and product.freshness in _TAGGED and product.version >= version
