"""Look-ups that wait until the tags of a version are stored."""

import math
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from hangtag.server.cached_reader import PartlyFoundError
from hangtag.server.change import Change
from hangtag.server.look_up import LookUp
from hangtag.server.looked_up import LookedUp
from hangtag.store import Stored, StoreError
from hangtag.telemetry import metrics
from hangtag.telemetry.clock import Clock

# All that wait are looked up together that often: what is refused, or not followed, is not on `products.tagged`.
_LOOK_EVERY_S = 0.5
_PRODUCTS_AT_ONCE = 500
# Kept of a call's time for its last read and its reply: a tenth of it, at most so much.
_MARGIN_S = 0.05
_MARGIN = 0.1
_JOIN_S = 5.0
_NEVER = -math.inf

Found = LookedUp | StoreError | None
Read = Callable[[Sequence[str], Sequence[int]], Sequence[LookedUp]]
Done = Callable[[Sequence[LookUp], Sequence[Found]], None]


class Waits:
    """Wakes look-ups when `products.tagged` has what they wait for, with one read for all that wake together.

    Any thread may call; a thread of its own reads. `read` is that of `CachedReader`. `done` is called, from the thread,
    once for each look-up: with what there is, with the store's error, or with None if the call was cancelled.
    `on_failure` is called, from the thread, with an error that ended it.
    """

    def __init__(
        self, read: Read, done: Done, clock: Clock, limit_s: float, on_failure: Callable[[Exception], None]
    ) -> None:
        self._read = read
        self._done = done
        self._clock = clock
        self._limit_s = limit_s
        self._on_failure = on_failure
        # Until when, on the monotonic clock.
        self._waiting: dict[LookUp, float] = {}
        self._by_product: dict[str, list[LookUp]] = {}
        self._woken: set[LookUp] = set()
        self._look_at_s, self._stop_at_s = _NEVER, math.inf
        self._is_closed = False
        self._has_news = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="waits", daemon=True)

    def __len__(self) -> int:
        return len(self._waiting)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, look_up: LookUp) -> None:
        """Answer a look-up of one product once the tags of its `wait_version` or of a newer one are stored.

        It also ends when that version is refused, shortly before its deadline, and after the limit.
        """
        now = self._clock.monotonic()
        left_s = look_up.deadline_s - now
        left_s = min(self._limit_s, left_s - min(_MARGIN_S, left_s * _MARGIN))
        with self._has_news:
            self._waiting[look_up] = min(now + left_s, self._stop_at_s)
            self._woken.add(look_up)
            self._by_product.setdefault(look_up.ids[0], []).append(look_up)
            self._has_news.notify()

    def take(self, changes: Sequence[Change]) -> None:
        """See `ChangeListener`."""
        if not self._by_product:
            return
        with self._has_news:
            for change in changes:
                for look_up in self._by_product.get(change.product_id, ()):
                    if look_up.wait_version <= change.version:
                        self._woken.add(look_up)
            if self._woken:
                self._has_news.notify()

    def missed(self) -> None:
        """See `ChangeListener`."""
        with self._has_news:
            self._look_at_s = _NEVER
            self._has_news.notify()

    def drain(self, left_s: float) -> None:
        """The server stops: what waits is answered in so many seconds at the latest, with what there is."""
        with self._has_news:
            self._stop_at_s = self._clock.monotonic() + left_s
            for look_up, until_s in self._waiting.items():
                self._waiting[look_up] = min(until_s, self._stop_at_s)
            self._has_news.notify()

    def close(self) -> None:
        """Answer what waits, and end the thread."""
        self.drain(0)
        with self._has_news:
            self._is_closed = True
            self._has_news.notify()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def turn(self) -> None:
        """Answer what can be answered now."""
        now = self._clock.monotonic()
        with self._has_news:
            if now >= self._look_at_s:
                self._look_at_s = now + _LOOK_EVERY_S
                due = list(self._waiting)
            else:
                due = [each for each, until_s in self._waiting.items() if until_s <= now or each in self._woken]
            self._woken.clear()
        for first in range(0, len(due), _PRODUCTS_AT_ONCE):
            some = due[first : first + _PRODUCTS_AT_ONCE]
            self._answer(some, self._found(some))
        metrics.WAITING_LOOKUPS.set(len(self._waiting))

    def _run(self) -> None:
        try:
            while self._wait_for_news():
                self.turn()
        except Exception as error:  # noqa: BLE001 (whatever it is, the process has to end)
            self._on_failure(error)

    def _wait_for_news(self) -> bool:
        """False: all is answered, and the thread is to end."""
        with self._has_news:
            due_s = min([self._look_at_s, *self._waiting.values()])
            if not self._woken and not self._is_closed:
                self._has_news.wait(max(0.0, due_s - self._clock.monotonic()))
            return bool(self._waiting) or not self._is_closed

    def _found(self, look_ups: Sequence[LookUp]) -> Sequence[Found]:
        if all(look_up.is_cancelled for look_up in look_ups):
            return [None] * len(look_ups)
        try:
            # The version is why the primary is asked.
            return self._read([each.ids[0] for each in look_ups], [each.wait_version for each in look_ups])
        except PartlyFoundError as error:
            return [error if each is None else each for each in error.found]
        except StoreError as error:
            return [error] * len(look_ups)

    def _answer(self, look_ups: Sequence[LookUp], found: Sequence[Found]) -> None:
        now = self._clock.monotonic()
        ended: list[LookUp] = []
        answers: list[Found] = []
        outcomes: Counter[str] = Counter()
        with self._has_news:
            for look_up, each in zip(look_ups, found, strict=True):
                outcome = self._outcome(look_up, each, now)
                if outcome:
                    self._forget(look_up)
                    ended.append(look_up)
                    answers.append(None if outcome == "cancelled" else each)
                    outcomes[outcome] += 1
        for outcome, count in outcomes.items():
            metrics.WAITS_ENDED.labels(outcome).inc(count)
        if ended:
            self._done(ended, answers)

    def _outcome(self, look_up: LookUp, found: Found, now: float) -> str:
        """How a look-up's wait ends, as the metric names it; empty: it goes on."""
        is_over = self._waiting[look_up] <= now
        if look_up.is_cancelled or found is None:
            return "cancelled"
        if isinstance(found, StoreError):
            return "failed" if is_over else ""
        if _has_version(found.stored, look_up.wait_version):
            return "tagged"
        if _is_refused(found.stored, look_up.wait_version):
            return "refused"
        if not is_over:
            return ""
        return "stopped" if now >= self._stop_at_s else "late"

    def _forget(self, look_up: LookUp) -> None:
        del self._waiting[look_up]
        self._woken.discard(look_up)
        others = self._by_product[look_up.ids[0]]
        others.remove(look_up)
        if not others:
            del self._by_product[look_up.ids[0]]


def _has_version(stored: Stored, version: int) -> bool:
    return stored.version is not None and stored.version >= version


def _is_refused(stored: Stored, version: int) -> bool:
    """No version from `version` on gets tags, unless the shop sends another one."""
    return stored.seen is not None and stored.seen.refused >= max(version, stored.seen.version)
