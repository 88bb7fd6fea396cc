"""Reads look-ups from replicas, and from the primaries what no replica can answer."""

import threading
import time
from collections.abc import Sequence

from hangtag.store.errors import StoreError
from hangtag.store.exchange import Exchange, Value
from hangtag.store.replicas import Asked
from hangtag.store.shares import Share, Shares
from hangtag.telemetry import get_log, metrics
from hangtag.telemetry.clock import Clock

_log = get_log(__name__)

_BY_REPLICA, _BY_PRIMARY = (metrics.REPLICA_READS.labels(answer) for answer in ("replica", "primary"))


class ReplicaReads:
    """Reads of keys that need not be of this moment. Any thread may call. Replicas have `limit_s` to answer.

    A thread of its own asks the primaries every `refresh_s` how far they are. The first call starts it.
    """

    def __init__(self, exchange: Exchange, shares: Shares, clock: Clock, limit_s: float, refresh_s: float) -> None:
        self._exchange, self._shares, self._clock, self._limit_s = exchange, shares, clock, limit_s
        self._refresh_s = refresh_s
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def values(self, keys: Sequence[str]) -> tuple[list[Value], int]:
        """The strings under these keys as in `Exchange.values`, and a time by which all that was stored is in them.

        Raises:
            StoreError: no replica can answer, and the primary cannot be read, as in `Exchange.values`.
        """
        if self._thread is None:
            self._start()
        values: list[Value] = [None] * len(keys)
        rest = set(range(len(keys)))
        times = []
        for share, replies, as_of_ms in self._ask_replicas(keys):
            times.append(as_of_ms)
            for group, found in zip(share.groups, replies, strict=True):
                rest.difference_update(group)
                for place, value in zip(group, found, strict=True):
                    values[place] = value
        (_BY_PRIMARY if rest else _BY_REPLICA).inc()
        if rest:
            places = sorted(rest)
            times.append(self._clock.wall_ms())
            for place, value in zip(places, self._exchange.values([keys[each] for each in places]), strict=True):
                values[place] = value
        return values, min(times)

    def close(self) -> None:
        """Stop the thread and close the connections."""
        with self._lock:
            self._stopped.set()
            thread = self._thread
        if thread is not None:
            thread.join()
        self._shares.close()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._refresh, name="replicas", daemon=True)
                self._thread.start()

    def _refresh(self) -> None:
        problem: type[StoreError] | None = None
        while not self._stopped.is_set():
            try:
                self._shares.refresh()
            except StoreError as error:
                if type(error) is not problem:
                    problem = type(error)
                    _log.warning("replicas_unproved", reason=str(error), next="until then the primary is asked")
            else:
                if problem is not None:
                    problem = None
                    _log.info("replicas_proved")
            self._stopped.wait(self._refresh_s)

    def _ask_replicas(self, keys: Sequence[str]) -> list[tuple[Share, list[list[Value]], int]]:
        """What replicas answer. All are asked before the first reply is read."""
        deadline = time.monotonic() + self._limit_s
        asked: list[tuple[Share, Asked]] = []
        answers = []
        try:
            for share in self._shares.of(keys):
                commands = [("MGET", *[keys[place] for place in group]) for group in share.groups]
                one = share.replicas.ask(commands, deadline)
                if one is not None:
                    asked.append((share, one))
            while asked:
                share, one = asked.pop(0)
                found = share.replicas.hear(one, deadline)
                if found is not None:
                    answers.append((share, *found))
        finally:
            for share, one in asked:
                share.replicas.drop(one)
        return answers
