"""Batches on their way through the engine, and when their tags will be stored."""

import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

from hangtag.workers.forward import Forwarded
from hangtag.workers.item import Item
from hangtag.workers.tracker import Ticket

# How much the last batch counts against all before it.
_NEW = 0.3
# Of the time of a batch that should be over and is not.
_LEAST_LEFT = 0.25


@dataclass(eq=False, slots=True)
class Batch:
    """Items that the engine takes together; `tokens` is what it computes for them, `budget` what they could have had.

    `started_s` and `took_s` are set on the forward thread; None: not yet.
    """

    items: Sequence[Item]
    budget: int
    tokens: int
    started_s: float | None = None
    took_s: float | None = None
    future: "Future[Forwarded] | None" = None

    @property
    def is_done(self) -> bool:
        """True once the engine is done with it."""
        return self.future is not None and self.future.done()


class Due(NamedTuple):
    """Records whose tags will be stored together, in so many seconds."""

    in_s: float
    tickets: list[Ticket]


class Pace:
    """How long the engine needs for tokens and records, and a write for a batch, of late. One thread owns it."""

    def __init__(self) -> None:
        self._token_s = self._record_s = self._write_s = 0.0
        self._ended_s = -math.inf

    def ran(self, batch: Batch) -> None:
        """The engine is done with a batch."""
        if batch.took_s is not None and batch.started_s is not None and batch.tokens:
            # Of batches that run at the same time, the later one waits for the earlier one.
            ended_s = batch.started_s + batch.took_s
            took_s = min(batch.took_s, max(0.0, ended_s - self._ended_s))
            self._ended_s = max(self._ended_s, ended_s)
            self._token_s = _average(self._token_s, took_s / batch.tokens)
            self._record_s = _average(self._record_s, took_s / len(list(_tickets(batch.items))))

    def wrote(self, seconds: float) -> None:
        """A write has ended."""
        self._write_s = _average(self._write_s, seconds)

    @property
    def per_s(self) -> float:
        """Records that the engine can take in a second; 0 before the first batch is done."""
        return 1 / self._record_s if self._record_s else 0.0

    def due(self, written: Iterable[Item], batches: Sequence[Batch], now_s: float) -> list[Due]:
        """When what is being written, and then each batch, will be stored; nothing before the first batch is done."""
        if not self._token_s:
            return []
        # A write stores tags at its beginning, then waits for the brokers.
        store_s = self._write_s / 2
        found, left_s = [Due(store_s, list(_tickets(written)))], 0.0
        for batch in batches:
            began_s = now_s if batch.started_s is None else batch.started_s
            takes_s = batch.tokens * self._token_s
            left_s += max(takes_s - (now_s - began_s), takes_s * _LEAST_LEFT)
            found.append(Due(left_s + store_s, list(_tickets(batch.items))))
        return found


def _tickets(items: Iterable[Item]) -> Iterator[Ticket]:
    for item in items:
        yield item.ticket
        for older in item.older:
            yield older.ticket


def _average(before: float, now: float) -> float:
    return now if not before else before + _NEW * (now - before)
