"""The worker: poll -> batch -> encode -> forward -> write -> settle."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from hangtag.records import Record
from hangtag.settings import WorkerSettings
from hangtag.store import StoreError, StoreMismatchError, TagStore
from hangtag.tagger.in_use import TaggerInUse
from hangtag.telemetry import Heartbeats, get_log, metrics
from hangtag.telemetry.clock import Clock
from hangtag.workers.decode import batch
from hangtag.workers.encode import Encoded, encode
from hangtag.workers.forward import Forwarded, forward
from hangtag.workers.item import Item
from hangtag.workers.sink import RecordSink, SinkError
from hangtag.workers.source import RecordSource
from hangtag.workers.threads import Lanes
from hangtag.workers.tracker import Ticket, Tracker
from hangtag.workers.waiting import Room
from hangtag.workers.write import Job, Settled, write

# While something is under way the loop looks this often for what has become of it.
_BUSY_POLL_S = 0.005
_IDLE_POLL_S = 0.2
_MAX_POLL_RECORDS = 500
_MAX_HELD_BYTES = 64 * 1_048_576
_COMMIT_EVERY_S = 1.0
_TRY_AGAIN_AFTER_S = 1.0
# One batch runs, one is ready to follow it.
_BATCHES_AHEAD = 2
_LEAST_BUDGET = 512

T = TypeVar("T")

_log = get_log(__name__)


class StageError(RuntimeError):
    """A stage died; the process has to end. The cause is its `__cause__`."""


class Worker:
    """One thread calls `run` or `step`; stages run on the lanes and meet it only in their futures.

    It reads no clock, starts no thread and does no I/O but through what it is given.
    """

    def __init__(
        self,
        *,
        source: RecordSource,
        sink: RecordSink,
        store: TagStore,
        in_use: TaggerInUse,
        lanes: Lanes,
        clock: Clock,
        beats: Heartbeats,
        settings: WorkerSettings,
    ) -> None:
        self._source, self._sink, self._store, self._in_use = source, sink, store, in_use
        self._lanes, self._clock, self._beats, self._settings = lanes, clock, beats, settings
        self._tracker = Tracker()
        self._room = Room(settings.window, settings.max_wait_ms / 1_000)
        self._budget = settings.token_budget
        self._held: dict[Ticket, tuple[float, int]] = {}  # arrival and bytes of what is polled and not settled
        self._held_bytes = 0
        self._encoding: deque[Future[Encoded]] = deque()
        self._running: deque[Future[Forwarded]] = deque()
        self._jobs: deque[Job] = deque()
        self._writing: Future[list[Settled]] | None = None
        self._trouble = ""
        self._try_again_at = 0.0
        self._is_full = False
        self._is_draining = False
        self._is_paused = False
        self._committed_at = clock.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set.

        Raises:
            StageError: a stage died.
            SourceError: records cannot be read any more.
            StoreMismatchError: the store is not the one of the settings.
        """
        while not stop.is_set():
            self.step()

    def drain(self, deadline_s: float) -> bool:
        """Finish what is polled, poll nothing more, commit. False: the deadline came first; the rest is read again."""
        self._is_draining = True
        give_up = self._clock.monotonic() + deadline_s
        while self._clock.monotonic() < give_up:
            if not self._held:
                self._commit()
                if not self._tracker.committable():
                    return True
            self.step()
        self._commit()
        return not self._held

    def step(self) -> None:
        """One turn of the loop; errors as in `run`."""
        self._flow()
        self.poll()
        self._collect()
        self._launch()
        if self._clock.monotonic() - self._committed_at >= _COMMIT_EVERY_S:
            self._commit()
        self._report()

    def poll(self) -> None:
        """Take in changes of the assignment and records, and hand these to the encode lane."""
        busy = self._encoding or self._running or self._writing or len(self._room)
        room = self._settings.window - len(self._held)
        polled = self._source.poll(_BUSY_POLL_S if busy else _IDLE_POLL_S, max(1, min(room, _MAX_POLL_RECORDS)))
        self._beats.beat("poll")
        for change in polled.changes:
            (self._tracker.assign if change.is_ours else self._tracker.revoke)(change.partition)
            _log.info("partition", topic=change.partition.topic, number=change.partition.number, ours=change.is_ours)
        if not polled.records:
            return
        now = self._clock.monotonic()
        tickets = [(self._tracker.add(record.partition, record.offset), record) for record in polled.records]
        for ticket, record in tickets:
            self._held[ticket] = (now, record.size)
            self._held_bytes += record.size
        self._beats.busy("batch")
        metrics.RECORDS_POLLED.inc(len(tickets))
        self._encoding.append(self._lanes.encode.submit(self._prepare, tickets, now))

    def settle(self, settled: Sequence[Settled]) -> None:
        """These records are done with: their offsets may be committed."""
        for one in settled:
            self._tracker.settle(one.ticket)
            self._held_bytes -= self._held.pop(one.ticket)[1]
            metrics.RECORDS_SETTLED.labels(one.how).inc()
        self._beats.beat("batch")

    def _prepare(self, polled: Sequence[tuple[Ticket, Record]], arrived_s: float) -> Encoded:
        """On the encode lane: decode, mark as seen, tokenise."""
        started = self._clock.monotonic()
        read = batch(polled, arrived_s, self._settings.max_value_bytes)
        try:
            self._store.mark_seen([(item.event.product_id, item.event.version) for item in read.items])
        except StoreMismatchError:
            raise
        except StoreError as error:
            # Only the look-ups' freshness hangs on it; the write that follows waits for the store.
            metrics.RETRIES.labels("store").inc()
            _log.warning("mark_seen_failed", error=type(error).__name__)
        encoded = encode(read.items, self._in_use.current)
        self._time("encode", started)
        return replace(encoded, refused=read.refused + encoded.refused)

    def _encode(self, items: Sequence[Item]) -> Encoded:
        """On the encode lane."""
        return encode(items, self._in_use.current)

    def _forward(self, items: Sequence[Item]) -> Forwarded:
        """On the forward lane."""
        started = self._clock.monotonic()
        tagger = items[0].tagger
        assert tagger is not None
        result = forward(items, tagger)
        self._time("forward", started)
        return result

    def _write(self, job: Job) -> list[Settled]:
        """On the write lane."""
        started = self._clock.monotonic()
        result = write(job, self._store, self._sink, self._clock.wall_ms())
        self._time("write", started)
        return result

    def _collect(self) -> None:
        """Take what the lanes have finished one hop further."""
        while self._encoding and self._encoding[0].done():
            encoded = _result("encode", self._encoding.popleft())
            deletions = [found for item in encoded.items if (found := self._room.add(item)) is not None]
            if deletions or encoded.refused:
                bundle_version = self._in_use.current.bundle.version
                self._jobs.append(Job(bundle_version, deleted=deletions, refused=encoded.refused))
        while self._running and self._running[0].done():
            done = _result("forward", self._running.popleft())
            if done.ran_out_of_memory:
                self._budget = max(_LEAST_BUDGET, self._budget // 2)
                _log.warning("out_of_memory", next_budget=self._budget)
            self._jobs.append(Job(done.bundle_version, tagged=done.tagged, refused=done.refused))
            if done.revived:
                self._encoding.append(self._lanes.encode.submit(self._encode, done.revived))
        if self._writing is not None and self._writing.done():
            self._finish_write(self._writing)
            self._writing = None

    def _finish_write(self, writing: Future[list[Settled]]) -> None:
        error = writing.exception()
        if isinstance(error, (StoreError, SinkError)) and not isinstance(error, StoreMismatchError):
            system = "store" if isinstance(error, StoreError) else "sink"
            _log.error("write_failed", system=system, message=str(error), next="polling pauses, the write is repeated")
            if system == "sink":
                metrics.RETRIES.labels(system).inc()
            self._trouble = system
            self._try_again_at = self._clock.monotonic() + _TRY_AGAIN_AFTER_S
            return
        settled = _result("write", writing)
        job = self._jobs.popleft()
        if self._trouble:
            _log.info("write_recovered", system=self._trouble)
            self._trouble = ""
        if job.refused:
            first = job.refused[0]
            where = f"{first.record.partition.topic}-{first.record.partition.number}@{first.record.offset}"
            _log.warning("dead_letters", count=len(job.refused), first=where, stage=first.reason.stage)
        self.settle(settled)

    def _launch(self) -> None:
        """Hand the next batch to the forward lane if it has room, and the next write to the write lane."""
        now = self._clock.monotonic()
        while len(self._running) < _BATCHES_AHEAD:
            items, _ = self._room.take(self._budget, now, hurry=self._is_draining)
            if not items:
                break
            assert items[0].tagger is not None
            metrics.BATCH_TOKENS.observe(items[0].tagger.engine.cost.of_batch([len(one.tokens or ()) for one in items]))
            self._running.append(self._lanes.forward.submit(self._forward, items))
        if self._writing is None and self._jobs and now >= self._try_again_at:
            self._writing = self._lanes.write.submit(self._write, self._jobs[0])

    def _flow(self) -> None:
        """Pause while too much is held or a result cannot be written; polling itself never stops."""
        window = self._settings.window
        limit = window * 3 // 4 if self._is_full else window - 1
        self._is_full = len(self._held) > limit or self._held_bytes > _MAX_HELD_BYTES
        pause = self._is_full or bool(self._trouble) or self._is_draining
        if pause != self._is_paused:
            (self._source.pause if pause else self._source.resume)()
            self._is_paused = pause
        metrics.PAUSED.labels("full").set(self._is_full)
        for system in ("store", "sink"):
            metrics.PAUSED.labels(system).set(self._trouble == system)

    def _commit(self) -> None:
        self._committed_at = self._clock.monotonic()
        offsets = self._tracker.committable()
        if offsets and self._source.commit(offsets):
            self._tracker.committed(offsets)

    def _report(self) -> None:
        metrics.RECORDS_WAITING.set(len(self._held))
        if self._held:
            arrived_s, _ = next(iter(self._held.values()))
            metrics.OLDEST_WAITING_SECONDS.set(self._clock.monotonic() - arrived_s)
        else:
            self._beats.idle("batch")
            metrics.OLDEST_WAITING_SECONDS.set(0)

    def _time(self, stage: str, started: float) -> None:
        metrics.STAGE_SECONDS.labels(stage).observe(self._clock.monotonic() - started)


def _result(stage: str, future: Future[T]) -> T:
    error = future.exception()
    if isinstance(error, StoreMismatchError):
        raise error
    if error is not None:
        msg = f"the {stage} stage died: {type(error).__name__}: {error}"
        raise StageError(msg) from error
    return future.result()
