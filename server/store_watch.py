"""Looks at the store all the time: for health, for what is read of it once a second, and to notice when it is back."""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from hangtag.store import LossReport, StoreError, StoreMismatchError, StoreState
from hangtag.telemetry import Heartbeats, Part, get_log, metrics

STORE_HEARTBEAT = "store"

_EVERY_S = 1.0
# While the store is away: at first after so long, then after twice as long each time, up to `_EVERY_S`, give or take a
# quarter: several servers do not ask together.
_FIRST_AGAIN_S = 0.05
_SPREAD = 0.25
_JOIN_S = 5.0

_log = get_log(__name__)


class Checked(Protocol):
    """The store to watch: `StoreGate`."""

    address: str

    def check(self) -> StoreState:
        """What the store records about itself. Raises `StoreError` if it cannot be used; has a deadline of its own."""
        ...


class StoreWatch:
    """A thread that checks the store every second, and more often while it is away.

    `report` is called, from the thread, with whether the store can be read, first by `start` and then after each look.
    `also` is called after each successful check. `on_failure` is called, from the thread, with an error that ended it.
    """

    def __init__(
        self,
        store: Checked,
        report: Callable[[bool], None],
        beats: Heartbeats,
        on_failure: Callable[[Exception], None],
        also: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._store = store
        self._tell = report
        self._beats = beats
        self._on_failure = on_failure
        self._also = also
        self._is_up: bool | None = None
        self._problem: StoreError | None = None
        self._failures = 0
        self._loss = LossReport(store.address)
        self._is_stopped = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-watch", daemon=True)

    def start(self) -> None:
        """Check the store and start the thread. A store that is not reachable yet is accepted.

        Raises:
            StoreMismatchError: the store does not match the settings.
        """
        self.look()
        if isinstance(self._problem, StoreMismatchError):
            raise self._problem
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._is_stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def look_now(self) -> None:
        """A read of the store failed: look at it at once. Any thread may call."""
        self._wake.set()

    def look(self) -> float:
        """Check the store; returns in how many seconds to look again."""
        try:
            state = self._store.check()
            for each in self._also:
                each()
        except StoreError as error:
            self._failures += 1
            self._report(error)
            again_s: float = min(_EVERY_S, _FIRST_AGAIN_S * 2 ** min(self._failures - 1, 10))
            return again_s * random.uniform(1 - _SPREAD, 1 + _SPREAD)
        self._failures = 0
        self._beats.beat(STORE_HEARTBEAT)
        self._report(None)
        self._loss.take(state)
        return _EVERY_S

    def details(self) -> dict[str, object]:
        """For /healthz; any thread may call."""
        return {"store": self._loss.detail(self._problem)}

    def part(self) -> Part:
        """For /readyz; any thread may call."""
        problem = self._problem
        return Part("store", problem is None, "the store can be read" if problem is None else str(problem))

    def _run(self) -> None:
        try:
            again_s = _EVERY_S
            while not self._is_stopped:
                # Woken by the failure of a read, it looks at once, but not by each failure while the store is away.
                self._wake.wait(again_s)
                self._wake.clear()
                if not self._is_stopped:
                    again_s = self.look()
        except Exception as error:  # noqa: BLE001 (whatever it is, the process has to end)
            self._on_failure(error)

    def _report(self, problem: StoreError | None) -> None:
        before, self._problem = self._problem, problem
        # A denied permission after a lost connection is another problem, and is logged too.
        if problem is not None and type(problem) is not type(before):
            _log.warning("NOT_SERVING", reason=str(problem))
        is_up = problem is None
        if is_up and self._is_up is not True:
            _log.info("the store can be read: SERVING")
        metrics.STORE_UP.set(is_up)
        self._is_up = is_up
        self._tell(is_up)
