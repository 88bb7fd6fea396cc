"""Live traffic comes first: a re-tag waits while workers are behind."""

import time
from collections.abc import Callable
from contextlib import suppress

from hangtag.store import PartitionProgress, ProgressReader, StoreError

_LOOK_EVERY_S = 0.5
_WAIT_S = 0.2
# Workers that work measure twice a second.
_SILENT_S = 5.0
# Records that are on their way at any time.
_FEW = 50
# More than so many seconds of the workers' work is a backlog.
_BACKLOG_S = 0.5


class LivePace:
    """Says when the next texts may be tagged. One thread calls it.

    `on_wait` is called, again and again while it waits, with how many records the workers are behind. Without
    `progress` there is no live traffic. `max_per_s` limits how many texts are tagged in a second; 0: no limit.
    """

    def __init__(
        self,
        progress: ProgressReader | None,
        max_per_s: float,
        on_wait: Callable[[int], None],
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress, self._max_per_s, self._on_wait = progress, max_per_s, on_wait
        self._sleep, self._now = sleep, now
        self._began_s: float | None = None
        self._taken = 0
        self._looked_s = -_LOOK_EVERY_S
        self._behind = 0
        # By partition: when the worker measured last, by its clock, and when that was new, by ours.
        self._measured: dict[int, tuple[int, float]] = {}

    def take(self, texts: int) -> None:
        """Wait until so many texts may be tagged."""
        self._wait_for_workers()
        if not self._max_per_s:
            return
        now = self._now()
        if self._began_s is None:
            self._began_s = now
        due_s = self._began_s + self._taken / self._max_per_s
        self._taken += texts
        # What was not used while workers were behind is not caught up.
        if now - due_s > 1.0:
            self._began_s += now - due_s
        elif due_s > now:
            self._sleep(due_s - now)

    def _wait_for_workers(self) -> None:
        while self._look():
            self._on_wait(self._behind)
            self._sleep(_WAIT_S)

    def _look(self) -> bool:
        """True if the workers have a backlog. A store that does not answer is found out when tags are written."""
        now = self._now()
        if self._progress is None or now - self._looked_s < _LOOK_EVERY_S:
            return self._behind > 0
        self._looked_s = now
        with suppress(StoreError):
            self._behind = self._backlog(self._progress.read(), now)
        return self._behind > 0

    def _backlog(self, found: dict[int, PartitionProgress], now: float) -> int:
        """How many records the workers that work are behind; 0 if that is less than they always are."""
        behind, per_s = 0, {}
        for number, each in found.items():
            measured_ms, since = self._measured.get(number, (0, now))
            if each.at_ms != measured_ms:
                since = now
            self._measured[number] = each.at_ms, since
            if now - since <= _SILENT_S:
                behind += max(0, each.end - each.next_offset)
                per_s[each.worker] = each.per_s
        return behind if behind > max(_FEW, _BACKLOG_S * sum(per_s.values())) else 0
