"""Where each published product stands: waiting, tagged or dead-lettered."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from hangtag.v1 import tags_pb2


@dataclass(frozen=True, slots=True)
class Counts:
    """Products, each counted once; `published` is the sum of the other three."""

    published: int
    tagged: int
    dead: int
    waiting: int
    oldest_s: float

    @property
    def settled(self) -> int:
        """Products that nothing is to be done for."""
        return self.tagged + self.dead


class Tally:
    """A product is tagged when tags of its published version, or of a newer one, are stored. Any thread may call."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._versions: dict[str, int] = {}
        self._waiting: dict[str, float] = {}  # since when, oldest first
        self._dead: set[str] = set()

    def published(self, product_id: str, version: int) -> None:
        """The product was sent. Sent again with a newer version it waits again; it still counts once."""
        with self._lock:
            known = self._versions.get(product_id)
            if known is None or version > known:
                self._versions[product_id] = version
                self._dead.discard(product_id)
                self._waiting.setdefault(product_id, self._monotonic())

    def waiting(self, limit: int) -> list[str]:
        """Ids of those that wait longest."""
        with self._lock:
            return list(islice(self._waiting, limit))

    def everything(self) -> list[str]:
        """Every published id, in the order of publishing."""
        with self._lock:
            return list(self._versions)

    def see_lookups(self, lookups: Iterable[tags_pb2.ProductLookup]) -> None:
        """Take in what the server says."""
        with self._lock:
            for lookup in lookups:
                if self._is_tagged(lookup):
                    self._waiting.pop(lookup.product_id, None)
                    self._dead.discard(lookup.product_id)

    def see_dead_letters(self, product_ids: Iterable[str]) -> None:
        """Take in the keys of dead letters. Keys of others' products do not matter, nor those of tagged ones."""
        with self._lock:
            for product_id in product_ids:
                if self._waiting.pop(product_id, None) is not None:
                    self._dead.add(product_id)

    def audit(self, lookups: Iterable[tags_pb2.ProductLookup]) -> Counts:
        """Count anew from fresh look-ups of everything: what was seen tagged before and is not now is waiting again."""
        with self._lock:
            tagged = {lookup.product_id for lookup in lookups if self._is_tagged(lookup)}
            dead = self._dead - tagged
            lost = set(self._versions) - tagged - dead
            self._dead = dead
            self._waiting = {
                each: self._waiting.get(each, self._monotonic()) for each in self._versions if each in lost
            }
        return self.counts()

    def counts(self) -> Counts:
        """How many stand where now."""
        with self._lock:
            oldest = next(iter(self._waiting.values()), None)
            published, dead, waiting = len(self._versions), len(self._dead), len(self._waiting)
            age = 0.0 if oldest is None else self._monotonic() - oldest
        return Counts(published, published - dead - waiting, dead, waiting, age)

    def _is_tagged(self, lookup: tags_pb2.ProductLookup) -> bool:
        version = self._versions.get(lookup.product_id)
        return version is not None and lookup.HasField("tags") and lookup.tags.version >= version
