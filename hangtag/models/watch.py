"""Follows the pointer of a route: asks Redis often, and the topic now and then."""

import threading
from collections.abc import Callable
from typing import Protocol

import structlog

from hangtag.models.errors import ModelsError
from hangtag.models.history import History
from hangtag.models.pointer import Pointer
from hangtag.store import StoreDeniedError, StoreError
from hangtag.telemetry.clock import Clock, SystemClock

_log = structlog.get_logger()

# Redis may have gone back to an older pointer, by a failover to a replica that was behind: how often the topic is read.
_TOPIC_EVERY_S = 60.0
# While Redis has no pointer, from the first time to the time after that.
_RETRY_S, _MAX_RETRY_S = 1.0, 30.0
_JOIN_S = 5.0


class Record(Protocol):
    """What a watch needs of `PointerRecord`."""

    def read(self, route: str) -> Pointer | None:
        """See `PointerRecord`."""
        ...

    def write(self, pointer: Pointer) -> bool:
        """See `PointerRecord`."""
        ...


class Topic(Protocol):
    """What a watch needs of `ModelsTopic`."""

    def read(self) -> History:
        """See `ModelsTopic`."""
        ...


class PointerWatch(threading.Thread):
    """Calls `on_pointer` in its own thread for each pointer that is later than the one before.

    It asks Redis every `poll_s` seconds. Where Redis has no pointer it reads the topic, and puts what it finds there
    back into Redis. It reads the topic once a minute too. An error of the store, of the brokers or of `on_pointer` is
    logged once until it is over, and never ends the thread.

    `current` is the latest pointer that was found, None before the first.
    """

    def __init__(
        self,
        record: Record,
        topic: Topic,
        on_pointer: Callable[[Pointer], None],
        *,
        route: str = "default",
        poll_s: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name="pointer-watch", daemon=True)
        self.current: Pointer | None = None
        self._record, self._topic, self._on_pointer = record, topic, on_pointer
        self._route, self._poll_s, self._clock = route, poll_s, clock or SystemClock()
        self._ended = threading.Event()
        self._read_topic_at = float("-inf")
        self._retry_s = _RETRY_S
        self._was_there = False
        self._trouble: dict[str, str] = {}

    def poll(self) -> Pointer | None:
        """Look once; returns the latest pointer known, without calling `on_pointer`. A program calls it when it starts.

        Raises nothing: what could not be read is logged.
        """
        found, answers = self._from_redis()
        is_lost, self._was_there = self._was_there and found is None, found is not None
        now = self._clock.monotonic()
        if is_lost:
            self._retry_s = _RETRY_S
        if is_lost or now >= self._read_topic_at:
            in_topic = self._from_topic()
            # Not while the store does not answer: it may have the pointer, and this user may only read.
            if answers and in_topic is not None and (found is None or found.sequence < in_topic.sequence):
                self._put_back(in_topic)
            self._read_topic_at = now + (_TOPIC_EVERY_S if found is not None else self._retry_s)
            self._retry_s = min(_MAX_RETRY_S, 2 * self._retry_s)
            found = max(filter(None, (found, in_topic)), key=lambda each: each.sequence, default=None)
        if found is not None and (self.current is None or found.sequence > self.current.sequence):
            self.current = found
        return self.current

    def run(self) -> None:
        """Until `stop`."""
        told = 0
        while not self._ended.is_set():
            found = self.poll()
            if found is not None and found.sequence > told:
                told = found.sequence
                try:
                    self._on_pointer(found)
                except Exception as error:  # noqa: BLE001 (a release that fails must not end the process)
                    _log.error("pointer_not_followed", sequence=told, error=type(error).__name__, detail=str(error))
            self._ended.wait(self._poll_s)

    def stop(self) -> None:
        """End the thread, and wait for it if it was started."""
        self._ended.set()
        if self.is_alive():
            self.join(_JOIN_S)

    def _from_redis(self) -> tuple[Pointer | None, bool]:
        """What the store has, and whether it answers."""
        try:
            found = self._record.read(self._route)
        except StoreError as error:
            self._note("store", str(error))
            return None, False
        self._note("store", "")
        return found, True

    def _from_topic(self) -> Pointer | None:
        try:
            found = self._topic.read().current(self._route)
        except ModelsError as error:
            self._note("topic", str(error))
            return None
        self._note("topic", "")
        return found

    def _put_back(self, pointer: Pointer) -> None:
        try:
            if self._record.write(pointer):
                _log.warning("pointer_restored", route=pointer.route, sequence=pointer.sequence)
        except StoreDeniedError:
            pass  # a server's user may only read; workers and `hangtag rebuild` put it back
        except StoreError as error:
            self._note("store", str(error))

    def _note(self, what: str, problem: str) -> None:
        """Log a problem when it begins, and when it is over."""
        before = self._trouble.get(what, "")
        self._trouble[what] = problem
        if problem and not before:
            _log.warning("pointer_not_readable", where=what, detail=problem)
        elif before and not problem:
            _log.info("pointer_readable_again", where=what)
