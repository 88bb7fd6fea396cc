"""Threads that ask for several products at a time, for the callers of `Client.get`."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from hangtag.client.errors import closed_meanwhile
from hangtag.client.gathering import LANES, Wanted, failed, take


class Lanes:
    """Runs `ask` for what waits, on up to `LANES` threads, which are started when they are needed.

    What comes while all of them are busy waits, and is asked for in one call; otherwise nothing waits.
    """

    def __init__(self, ask: Callable[[Sequence[Wanted]], None]) -> None:
        self._ask = ask
        self._waiting: deque[Wanted] = deque()
        self._change = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._stops = False

    def put(self, wanted: Wanted) -> None:
        """Let somebody ask for a product."""
        with self._change:
            if self._stops:
                wanted.fail(closed_meanwhile())
                return
            self._waiting.append(wanted)
            if self._idle < len(self._waiting) and len(self._threads) < LANES:
                thread = threading.Thread(target=self._serve, name="hangtag-client", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._change.notify()

    def stop(self) -> None:
        """End the threads, after the calls that they are in; nobody waits any longer."""
        with self._change:
            self._stops = True
            failed(self._waiting, closed_meanwhile())
            self._waiting.clear()
            self._change.notify_all()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while wanted := self._next():
            try:
                self._ask(wanted)
            except BaseException as error:  # noqa: BLE001 (handed over to those who wait)
                failed(wanted, error)

    def _next(self) -> Sequence[Wanted]:
        with self._change:
            self._idle += 1
            wanted: Sequence[Wanted] = ()
            while not (wanted or self._stops):
                self._change.wait_for(lambda: self._waiting or self._stops)
                wanted = take(self._waiting)
            self._idle -= 1
            return wanted
