"""A queue of look-ups and the threads that answer them."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from hangtag.server.look_up import LookUp
from hangtag.telemetry.clock import Clock

Take = Callable[[list[LookUp]], None]

# How much the newest read counts in the measured time of a read.
_WEIGHT = 0.2


class Lane:
    """Passes waiting look-ups on in lists of at most `most_ids` ids, at least one look-up each.

    Lists form while all threads are busy, so a slow store gets fewer and larger reads; and for `pace_s` after a list
    began, since a read costs as much as some calls. The first look-up after a pause does not wait. Single look-ups go
    first; each list has room for at least one other. Any thread may call.
    """

    def __init__(self, name: str, take: Take, clock: Clock, *, threads: int, most_ids: int) -> None:
        self._take = take
        self._clock = clock
        self._most_ids = most_ids
        self._pace_s = 0.0
        self._next_s = 0.0
        self._singles: deque[LookUp] = deque()
        self._others: deque[LookUp] = deque()
        self._waiting_ids = 0
        self._list_s = 0.0
        self._is_open = True
        self._changed = threading.Condition(threading.Lock())
        self._idle = 0
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]

    def start(self, pace_s: float = 0.0) -> None:
        """Start the threads."""
        self._pace_s = pace_s
        for thread in self._threads:
            thread.start()

    def put(self, look_ups: Sequence[LookUp]) -> None:
        """Add look-ups; returns at once."""
        with self._changed:
            for look_up in look_ups:
                (self._singles if look_up.is_single else self._others).append(look_up)
                self._waiting_ids += len(look_up.ids)
            if self._idle:
                self._changed.notify()

    def wait_s(self) -> float:
        """How long a look-up that is added now would wait, as far as is known; 0 if none waits."""
        return self._waiting_ids / self._most_ids * self._list_s / len(self._threads)

    def close(self) -> None:
        """End the threads once nothing waits. A read that hangs is not waited for."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    def next(self) -> list[LookUp]:
        """Take the next list; empty if nothing waits."""
        with self._changed:
            return self._next()

    def step(self) -> bool:
        """Pass the next list on, as the threads do; False if nothing waits."""
        look_ups = self.next()
        if look_ups:
            self._pass_on(look_ups)
        return bool(look_ups)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting_ids:
                    if not self._is_open:
                        return
                    self._idle += 1
                    self._changed.wait()
                    self._idle -= 1
                now = time.monotonic()
                left_s = self._next_s - now if self._waiting_ids < self._most_ids else 0.0
                if left_s <= 0:
                    self._next_s = now + self._pace_s
                    look_ups = self._next()
            if left_s > 0:
                time.sleep(left_s)
            else:
                self._pass_on(look_ups)

    def _pass_on(self, look_ups: list[LookUp]) -> None:
        started = self._clock.monotonic()
        self._take(look_ups)
        self._list_s += (self._clock.monotonic() - started - self._list_s) * _WEIGHT

    def _next(self) -> list[LookUp]:
        found: list[LookUp] = []
        ids = 0
        while self._singles and ids < self._most_ids:
            found.append(self._singles.popleft())
            ids += 1
        is_first = True
        while self._others and (is_first or ids + len(self._others[0].ids) <= self._most_ids):
            look_up = self._others.popleft()
            found.append(look_up)
            ids += len(look_up.ids)
            is_first = False
        self._waiting_ids -= ids
        return found
