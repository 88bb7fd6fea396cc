"""Looks at the store every few seconds, so that a loss of its data is noticed and recorded without traffic too."""

import threading
from collections.abc import Callable

from hangtag.store import LossReport, RedisTagStore, StoreError, StoreMismatchError
from hangtag.telemetry import get_log

_EVERY_S = 5.0
_JOIN_S = 5.0

_log = get_log(__name__)


class StoreWatch:
    """A thread of its own. The worker itself waits for the store where it writes; here its errors are only logged.

    `on_failure` is called, from the thread, with any other error: it ended the thread.
    """

    def __init__(
        self, store: RedisTagStore, on_failure: Callable[[Exception], None], every_s: float = _EVERY_S
    ) -> None:
        self._store = store
        self._on_failure = on_failure
        self._every_s = every_s
        self._loss = LossReport(store.address)
        self._problem: StoreError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-watch", daemon=True)

    def start(self) -> None:
        """Check the store and start the thread. A store that is not reachable yet is accepted.

        Raises:
            StoreMismatchError: the store does not fit the settings.
        """
        try:
            self._check()
        except StoreMismatchError:
            raise
        except StoreError as error:
            self._problem = error
            _log.warning("store_unreachable", message=str(error), next="the worker waits for it before it writes")
        else:
            if not self._store.eviction_policy:
                _log.warning(
                    "eviction_policy_unknown",
                    store=self._store.address,
                    next="allow INFO, or check that its maxmemory-policy is noeviction",
                )
        self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def details(self) -> dict[str, object]:
        """For /healthz; any thread may call."""
        return {"store": self._loss.detail(self._problem)}

    def _check(self) -> None:
        self._loss.take(self._store.check())

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._every_s):
                self._look()
        except Exception as error:  # noqa: BLE001 (whatever it is, the process has to end)
            if not self._stop.is_set():
                self._on_failure(error)

    def _look(self) -> None:
        try:
            self._check()
        except StoreError as error:
            if type(error) is not type(self._problem):
                _log.warning("store_unusable", message=str(error), next="the worker waits for it where it writes")
            self._problem = error
        else:
            if self._problem is not None:
                _log.info("store_usable", store=self._store.address)
            self._problem = None
