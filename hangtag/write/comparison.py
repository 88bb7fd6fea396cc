"""Compares `products.tagged` with the store, without writing to either."""

import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hangtag.records import Record
from hangtag.store import Entry, Rank
from hangtag.write.tagged_record import entries_of

_EXAMPLES = 5
# Disagreements at which the comparison ends: the store needs a rebuild in any case.
_MANY = 200_000
_AT_ONCE = 1_000


class Disagreement(StrEnum):
    """How store and topic can disagree about a product."""

    MISSING = "missing in the store"
    OLDER = "older in the store"
    NEWER = "newer in the store than in the topic"
    OTHER = "other tags of the same version"
    NOT_LAST = "last record not the newest"
    NOT_IN_TOPIC = "in the store but not in the topic"


class Example(NamedTuple):
    """A product about which they disagree: versions in the store, of the newest record, and of the last."""

    product_id: str
    stored: int | None
    newest: int | None
    last: int | None


@dataclass(slots=True)
class Finding:
    """Products of one kind of disagreement: how many, and the first few."""

    count: int = 0
    examples: list[Example] = field(default_factory=list)


class EntryReader(Protocol):
    """What the comparison needs of a store."""

    def read(self, product_ids: Sequence[str]) -> list[Entry | None]:
        """What is stored of these products, in order; None: nothing."""
        ...


class _Seen(NamedTuple):
    """A product's newest and last record: the time of the newest, and a hash of the last one's content."""

    newest: Rank
    timestamp_ms: int
    last: Rank
    content: int


class Comparison:
    """Takes the records of the topic, then the ids in the store, then looks again at what disagrees.

    One thread at a time calls it. Memory: 16 bytes a record, and some 600 for each product that disagrees, of which
    there may be many for a while: a product with several records disagrees until its last one is read.
    """

    def __init__(self, store: EntryReader, deleted_ttl_s: int, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._deleted_ttl_ms = deleted_ttl_s * 1_000
        self._now = now
        # Hashes of product ids, and of product ids with ranks, of all records.
        self._ids, self._ranks = array("q"), array("q")
        self._sorted_ranks = _sorted(self._ranks)
        # Products that disagree; None: the topic has no record.
        self._open: dict[str, _Seen | None] = {}
        self._looks: dict[str, tuple[_Seen | None, int]] = {}
        self._lacking: set[str] = set()
        self.unreadable = 0
        self.findings: dict[Disagreement, Finding] = {kind: Finding() for kind in Disagreement}

    @property
    def products(self) -> int:
        """Number of products in the topic, deleted ones included."""
        return len(_sorted(self._ids))

    @property
    def has_enough(self) -> bool:
        """True if so many products are missing or older in the store that further ones change nothing."""
        return len(self._lacking) >= _MANY

    def take(self, records: Sequence[Record]) -> None:
        """Compare records, in the order of each partition, with the store.

        Raises:
            StoreError: the store did not answer.
        """
        entries = entries_of(records)
        self.unreadable += len(records) - len(entries)
        seen: dict[str, _Seen] = {}
        for entry, record in entries:
            product_id, rank, content = entry.product_id, entry.rank, hash(entry)
            self._ids.append(hash(product_id))
            self._ranks.append(hash((product_id, rank)))
            before = seen.get(product_id) or self._open.get(product_id)
            if before is None or rank >= before.newest:
                seen[product_id] = _Seen(rank, record.timestamp_ms, rank, content)
            else:
                seen[product_id] = before._replace(last=rank, content=content)
        for (product_id, found), held in zip(seen.items(), self._store.read(list(seen)), strict=True):
            self._note(product_id, found, held)

    def take_stored(self, product_ids: Iterable[Sequence[str]]) -> int:
        """Find products that the store holds and the topic does not; return how many ids there were.

        Raises:
            StoreError: the store did not answer.
        """
        known = _sorted(self._ids)
        count = 0
        for some in product_ids:
            count += len(some)
            for product_id in some:
                if not _has(known, hash(product_id)):
                    self._open.setdefault(product_id, None)
        return count

    def look_again(self) -> int:
        """Look at what disagrees. What is as it was at the last look is a finding; return how many are not yet.

        Between two looks a writer must have had time to produce what it has stored, and the records produced meanwhile
        must have been taken.

        Raises:
            StoreError: the store did not answer.
        """
        looks = {}
        for product_id, kind, held in self._disagreeing():
            look = self._open[product_id], hash(held)
            if self._looks.get(product_id) == look:
                self._conclude(kind, product_id, held)
            else:
                looks[product_id] = look
        self._looks = looks
        return len(looks)

    def conclude(self) -> None:
        """Count what disagrees now, without looking again: it is so much that traffic is not the cause.

        Raises:
            StoreError: the store did not answer.
        """
        for product_id, kind, held in self._disagreeing():
            self._conclude(kind, product_id, held)

    def _disagreeing(self) -> Iterator[tuple[str, Disagreement, Entry | None]]:
        """What disagrees now, with what the store holds; what agrees by now is forgotten."""
        products = list(self._open)
        for start in range(0, len(products), _AT_ONCE):
            some = products[start : start + _AT_ONCE]
            for product_id, held in zip(some, self._store.read(some), strict=True):
                kind = self._kind(product_id, self._open[product_id], held)
                if kind is None:
                    del self._open[product_id]
                else:
                    yield product_id, kind, held

    def _note(self, product_id: str, found: _Seen, held: Entry | None) -> None:
        self._lacking.discard(product_id)
        if self._agrees(found, held):
            self._open.pop(product_id, None)
            return
        self._open[product_id] = found
        if held is None or held.rank < found.newest:
            self._lacking.add(product_id)

    def _agrees(self, found: _Seen, held: Entry | None) -> bool:
        if held is None:
            is_old = self._now() * 1_000 - found.timestamp_ms >= self._deleted_ttl_ms
            return found.newest.is_deletion and is_old and found.last == found.newest
        return found.last == found.newest == held.rank and hash(held) == found.content

    def _kind(self, product_id: str, found: _Seen | None, held: Entry | None) -> Disagreement | None:
        if found is None:
            # Tombstones leave the topic, deletions leave the store, neither at an exact time.
            return None if held is None or held.is_deletion else Disagreement.NOT_IN_TOPIC
        if self._agrees(found, held):
            return None
        if held is None:
            return Disagreement.MISSING
        if held.rank < found.newest:
            return Disagreement.OLDER
        if held.rank > found.newest and not self._has_record(product_id, held.rank):
            return Disagreement.NEWER
        return Disagreement.OTHER if found.last == held.rank else Disagreement.NOT_LAST

    def _has_record(self, product_id: str, rank: Rank) -> bool:
        if len(self._sorted_ranks) != len(self._ranks):
            # With repeats, so that the lengths tell whether records were taken since.
            self._sorted_ranks = np.sort(np.array(self._ranks, dtype=np.int64))
        return _has(self._sorted_ranks, hash((product_id, rank)))

    def _conclude(self, kind: Disagreement, product_id: str, held: Entry | None) -> None:
        found = self._open.pop(product_id)
        finding = self.findings[kind]
        finding.count += 1
        if len(finding.examples) < _EXAMPLES:
            newest, last = (found.newest.version, found.last.version) if found else (None, None)
            finding.examples.append(Example(product_id, held.version if held else None, newest, last))


def _sorted(hashes: "array[int]") -> NDArray[np.int64]:
    """The different ones among hashes, ascending."""
    return np.unique(np.array(hashes, dtype=np.int64))


def _has(ascending: NDArray[np.int64], wanted: int) -> bool:
    place = int(np.searchsorted(ascending, wanted))
    return place < len(ascending) and int(ascending[place]) == wanted
