"""Look-ups that wait until the tags of a version are stored."""

import math
import threading
from collections.abc import Callable, Collection, Iterable, Sequence

from hangtag.server.admission import Refusal, RefusedError
from hangtag.server.cached_reader import PartlyReadError
from hangtag.server.change import Change
from hangtag.server.looked_up import LookedUp
from hangtag.store import Stored, StoreError
from hangtag.telemetry import metrics
from hangtag.telemetry.clock import Clock

MAX_WAITING = 1_000
WAITS = Refusal("waits", "start more servers, or find the client that waits so often")
# All that wait are looked up together that often: what is refused, or not followed, is not on `products.tagged`.
_LOOK_EVERY_S = 0.5
_PRODUCTS_AT_ONCE = 500
# Kept of a call's time for its last read and its reply: a tenth of it, at most so much.
_MARGIN_S = 0.05
_MARGIN = 0.1
_JOIN_S = 5.0
_NEVER = -math.inf

Done = Callable[[LookedUp | StoreError], None]
Read = Callable[[Sequence[str], Sequence[int]], list[LookedUp]]


class Wait:
    """One look-up that waits. `until_s` is on the monotonic clock."""

    __slots__ = ("done", "product", "until_s", "version")

    def __init__(self, product: str, version: int, until_s: float, done: Done) -> None:
        self.product = product
        self.version = version
        self.until_s = until_s
        self.done = done


class Waits:
    """Wakes look-ups when `products.tagged` has what they wait for, with one read for all that wake together.

    Any thread may call; a thread of its own reads and answers. `read` is that of `CachedReader`. `on_failure` is
    called, from that thread, with an error that ended it.
    """

    def __init__(
        self,
        read: Read,
        clock: Clock,
        limit_s: float,
        on_failure: Callable[[Exception], None],
        most: int = MAX_WAITING,
    ) -> None:
        self._read = read
        self._clock = clock
        self._limit_s = limit_s
        self._on_failure = on_failure
        self._most = most
        self._waiting: dict[Wait, None] = {}
        self._by_product: dict[str, list[Wait]] = {}
        self._woken: dict[Wait, None] = {}
        self._look_at_s, self._stop_at_s = _NEVER, math.inf
        self._is_closed = False
        self._has_news = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="waits", daemon=True)

    def __len__(self) -> int:
        return len(self._waiting)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, product: str, version: int, left_s: float | None, done: Done) -> Wait:
        """Look a product up, once the tags of `version` or of a newer one are stored.

        It also ends when the version is refused, shortly before `left_s` are over (None: the call has no deadline), and
        after the limit. `done` is then called once, from the thread, with what there is or with the store's error.

        Raises:
            RefusedError: too many look-ups wait.
        """
        now = self._clock.monotonic()
        left_s = self._limit_s if left_s is None else min(self._limit_s, left_s - min(_MARGIN_S, left_s * _MARGIN))
        with self._has_news:
            if len(self._waiting) >= self._most:
                message = f"{self._most} look-ups wait already, which is the maximum; retry with back-off"
                raise RefusedError(WAITS, message)
            wait = Wait(product, version, min(now + left_s, self._stop_at_s), done)
            self._waiting[wait] = self._woken[wait] = None
            self._by_product.setdefault(product, []).append(wait)
            metrics.WAITING_LOOKUPS.set(len(self._waiting))
            self._has_news.notify()
        return wait

    def forget(self, wait: Wait) -> None:
        """The call was cancelled: nobody wants the answer. No effect if it was given."""
        with self._has_news:
            self._end([wait], "cancelled")

    def take(self, changes: Sequence[Change]) -> None:
        """See `ChangeListener`."""
        if not self._by_product:
            return
        with self._has_news:
            for change in changes:
                for wait in self._by_product.get(change.product_id, ()):
                    if wait.version <= change.version:
                        self._woken[wait] = None
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
            for wait in self._waiting:
                wait.until_s = min(wait.until_s, self._stop_at_s)
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
                due = [wait for wait in self._waiting if wait in self._woken or wait.until_s <= now]
            self._woken.clear()
        for first in range(0, len(due), _PRODUCTS_AT_ONCE):
            some = due[first : first + _PRODUCTS_AT_ONCE]
            self._answer(zip(some, self._found(some), strict=True))

    def _run(self) -> None:
        try:
            while self._wait_for_news():
                self.turn()
        except Exception as error:  # noqa: BLE001 (whatever it is, the process has to end)
            self._on_failure(error)

    def _wait_for_news(self) -> bool:
        """False: all is answered, and the thread is to end."""
        with self._has_news:
            due_s = min([self._look_at_s, *(wait.until_s for wait in self._waiting)])
            if not self._woken and not self._is_closed:
                self._has_news.wait(max(0.0, due_s - self._clock.monotonic()))
            return bool(self._waiting) or not self._is_closed

    def _found(self, waits: Sequence[Wait]) -> Sequence[LookedUp | StoreError]:
        try:
            # The version is why the primary is asked.
            return self._read([wait.product for wait in waits], [wait.version for wait in waits])
        except PartlyReadError as error:
            return [error if each is None else each for each in error.found]
        except StoreError as error:
            return [error] * len(waits)

    def _answer(self, found: Iterable[tuple[Wait, LookedUp | StoreError]]) -> None:
        now = self._clock.monotonic()
        answers: dict[Wait, LookedUp | StoreError] = {}
        outcomes: dict[str, list[Wait]] = {}
        for wait, each in found:
            outcome = self._outcome(wait, each, now)
            if outcome is not None:
                outcomes.setdefault(outcome, []).append(wait)
                answers[wait] = each
        with self._has_news:
            ended = [wait for outcome, waits in outcomes.items() for wait in self._end(waits, outcome)]
        for wait in ended:
            wait.done(answers[wait])

    def _outcome(self, wait: Wait, found: LookedUp | StoreError, now: float) -> str | None:
        """How a wait ends, as the metric names it; None: it goes on."""
        if isinstance(found, StoreError):
            return "failed" if wait.until_s <= now else None
        if _has_version(found.stored, wait.version):
            return "tagged"
        if _is_refused(found.stored, wait.version):
            return "refused"
        if wait.until_s > now:
            return None
        return "stopped" if now >= self._stop_at_s else "late"

    def _end(self, waits: Collection[Wait], outcome: str) -> list[Wait]:
        """Those that had not ended before. The lock is held."""
        ended = [wait for wait in waits if wait in self._waiting]
        for wait in ended:
            del self._waiting[wait]
            self._woken.pop(wait, None)
            others = self._by_product[wait.product]
            others.remove(wait)
            if not others:
                del self._by_product[wait.product]
        metrics.WAITING_LOOKUPS.set(len(self._waiting))
        metrics.WAITS_ENDED.labels(outcome).inc(len(ended))
        return ended


def _has_version(stored: Stored, version: int) -> bool:
    return stored.version is not None and stored.version >= version


def _is_refused(stored: Stored, version: int) -> bool:
    """No version from `version` on will get tags, unless the shop sends another one."""
    return stored.seen is not None and stored.seen.refused >= max(version, stored.seen.version)
