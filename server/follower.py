"""Tells the parts of the server that depend on what is stored of each change."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing

from hangtag.kafka.raw_batch import RawBatch
from hangtag.records import Record
from hangtag.server.brokers_watch import BrokersWatch
from hangtag.server.change import Change, ChangeListener
from hangtag.server.tagged_consumer import TopicAwayError
from hangtag.server.topic_end import TopicEnd
from hangtag.settings import Settings
from hangtag.telemetry import Heartbeats, get_log, metrics

FOLLOWER_BEAT = "follower"

_TRY_AGAIN_AFTER_S = 2.0
_LOOK_EVERY_S = 1.0
# A thread that waits for a broker is left behind; it is a daemon.
_JOIN_S = 2.0
_NEXT_STEP = "fix it for look-ups that wait to end at once; all other look-ups are answered as before"

_log = get_log(__name__)


class Follower:
    """A thread that reads `products.tagged` from its end on, and tells the listeners.

    Without Kafka it tries again and again; nothing waits for it. `on_failure` is called, from the thread, with any
    other error: it ended the thread.
    """

    def __init__(
        self,
        settings: Settings,
        listeners: Sequence[ChangeListener],
        beats: Heartbeats,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._settings = settings
        self._listeners = listeners
        self._beats = beats
        self._on_failure = on_failure
        self._watch = BrokersWatch(settings.kafka.tagged_topic, metrics.FOLLOWER_UP, _NEXT_STEP)
        self._answered_s = self._look_at_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; returns at once."""
        self._stop.set()

    def close(self) -> None:
        """Wait until the thread has ended."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._beats.beat(FOLLOWER_BEAT)
                try:
                    self._follow()
                except TopicAwayError as error:
                    self._watch.report(str(error))
                    self._stop.wait(_TRY_AGAIN_AFTER_S)
        except Exception as error:  # noqa: BLE001 (whatever it is, the process has to end)
            if not self._stop.is_set():
                self._on_failure(error)

    def _follow(self) -> None:
        with closing(TopicEnd(self._settings)) as end:
            self._answered_s = time.monotonic()
            self._missed()
            while not self._stop.is_set():
                self._beats.beat(FOLLOWER_BEAT)
                self._tell(end.poll())
                if time.monotonic() >= self._look_at_s:
                    self._look_at_s = time.monotonic() + _LOOK_EVERY_S
                    self._look(end)

    def _tell(self, records: Sequence[Record]) -> None:
        if not records:
            return
        changes = []
        for record in records:
            try:
                changes.append(Change.of(record))
            except ValueError as error:
                _log.debug("tagged_record_unreadable", offset=record.offset, message=str(error))
        for listener in self._listeners:
            listener.take(changes)
        metrics.FOLLOWED_RECORDS.inc(len(changes))
        if any(isinstance(record.value, RawBatch) for record in records):
            self._missed()

    def _missed(self) -> None:
        for listener in self._listeners:
            listener.missed()

    def _look(self, end: TopicEnd) -> None:
        self._answered_s = max(self._answered_s, end.answered_s() or 0.0)
        self._watch.silent(time.monotonic() - self._answered_s)
        metrics.FOLLOWER_LAG_RECORDS.set(end.lag())
        end.take_new_partitions()
