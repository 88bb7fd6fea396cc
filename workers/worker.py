"""The loop: poll -> decode -> encode -> batch -> forward -> write -> settle."""

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from hangtag.records import Record
from hangtag.settings import WorkerSettings
from hangtag.store import StoreError, StoreMismatchError, TagStore, TextStore
from hangtag.tagger.in_use import TaggerInUse
from hangtag.telemetry import Heartbeats, get_log, metrics
from hangtag.telemetry.clock import Clock
from hangtag.telemetry.places import summary_of
from hangtag.workers.batcher import Batcher
from hangtag.workers.batches import Batch, Pace
from hangtag.workers.budget import TokenBudget
from hangtag.workers.contact import KAFKA_BEAT, BrokerContact
from hangtag.workers.dead_letter_pause import DeadLetterPause
from hangtag.workers.decode import decode
from hangtag.workers.encode import Encoded, encode
from hangtag.workers.failures import report
from hangtag.workers.forward import Forwarded, forward
from hangtag.workers.item import Item, Refused
from hangtag.workers.known import with_stored_tags
from hangtag.workers.lag import Lag
from hangtag.workers.progress import Progress
from hangtag.workers.source import Change, RecordSource, Unreadable
from hangtag.workers.threads import StageThreads
from hangtag.workers.tracker import Ticket, Tracker
from hangtag.workers.waiting import WaitingRecords
from hangtag.workers.write import Settled, WriteJob, write
from hangtag.write import RecordSink, SinkError

# While a stage works the loop looks this often whether it has finished.
_BUSY_POLL_S = 0.005
_IDLE_POLL_S = 0.2
_MAX_POLL_RECORDS = 500
_MAX_UNSETTLED_BYTES = 64 * 1_048_576
_COMMIT_EVERY_S = 1.0
_MEASURE_EVERY_S = 0.5
_TRY_AGAIN_AFTER_S = 1.0
# Besides the batches that run, one is ready to follow.
_READY = 1
# A drain does not wait longer for a store or brokers that fail.
_DRAIN_WITHOUT_SYSTEM_S = 5.0

T = TypeVar("T")

_log = get_log(__name__)


class StageError(RuntimeError):
    """A stage failed and the process has to end. The cause is its `__cause__`."""


class Worker:
    """One thread calls `run` or `step`; stages run on their threads and are met only in their futures.

    It reads no clock, starts no thread and does no I/O except through what it is given. With `keeps_texts` it produces
    the texts of products too, with `keeps_vectors` their vectors; with `texts` it keeps texts in the store.
    """

    def __init__(
        self,
        *,
        source: RecordSource,
        sink: RecordSink,
        store: TagStore,
        in_use: TaggerInUse,
        threads: StageThreads,
        clock: Clock,
        beats: Heartbeats,
        settings: WorkerSettings,
        keeps_texts: bool = False,
        keeps_vectors: bool = False,
        texts: TextStore | None = None,
    ) -> None:
        self._keeps_texts, self._keeps_vectors, self._texts = keeps_texts, keeps_vectors, texts
        self._source, self._sink, self._store, self._in_use = source, sink, store, in_use
        self._threads, self._clock, self._beats, self._settings = threads, clock, beats, settings
        self._tracker = Tracker()
        self._batcher = Batcher(settings.window, settings.max_wait_ms / 1_000)
        self._budget = TokenBudget(settings.token_budget)
        self._contact = BrokerContact()
        self._unsettled = WaitingRecords()
        self._lag = Lag(self._unsettled, clock.monotonic())
        self.progress = Progress(clock.monotonic())
        self._pace = Pace()
        self._dead_letter_pause = DeadLetterPause()
        self._encoding: deque[Future[Encoded]] = deque()
        self._running: deque[Batch] = deque()
        self._jobs: deque[WriteJob] = deque()
        self._writing: Future[list[Settled]] | None = None
        self._failing_system = ""
        self._logged_failure = ("", "")
        self._try_again_at = 0.0
        self._is_full = False
        self._is_draining = False
        self._is_paused = False
        self._room: int | None = None  # what the pause for dead letters leaves to be read; None: any number
        self._cannot_mark = False  # used on the encode thread alone
        self._committed_at = self._measured_at = clock.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set.

        Raises:
            StageError: a stage failed.
            SourceError: records cannot be read any more.
            StoreMismatchError: the store does not fit the settings.
        """
        while not stop.is_set():
            self.step()

    def drain(self, deadline_s: float) -> bool:
        """Finish and commit what was polled, and poll nothing more.

        False: the deadline passed first, or the store or Kafka failed for some seconds; whoever owns the partitions
        next reads the rest again.
        """
        self._is_draining = True
        began = self._clock.monotonic()
        while (now := self._clock.monotonic()) < began + deadline_s:
            if not self._unsettled and self._commit():
                return True
            if self._failing_system and now - began > _DRAIN_WITHOUT_SYSTEM_S:
                break
            self.step()
        return self._commit() and not self._unsettled

    def read_on(self) -> bool:
        """End a pause for too many dead letters: a person says so. False: there is none. Any thread may call."""
        return self._dead_letter_pause.resume()

    def step(self) -> None:
        """One turn of the loop. Raises what `run` raises."""
        self._pause_or_resume()
        self.poll()
        self._collect()
        self.batch()
        self._start_write()
        if self._clock.monotonic() - self._committed_at >= _COMMIT_EVERY_S:
            self._commit()
        self._report()

    def poll(self) -> None:
        """Take changes of the assignment and new records, and hand the records to the encode thread."""
        is_busy = self._encoding or self._running or self._writing or len(self._batcher)
        most = min(self._settings.window - len(self._unsettled), _MAX_POLL_RECORDS)
        if self._room is not None:
            most = min(most, self._room)
        polled = self._source.poll(_BUSY_POLL_S if is_busy else _IDLE_POLL_S, max(1, most))
        self._beats.beat("poll")
        self._take_changes(polled.changes)
        now, now_ms = self._clock.monotonic(), self._clock.wall_ms()
        if not self._is_paused:
            self._dead_letter_pause.read(len(polled.records), now)
        if not polled.records:
            return
        tickets: list[tuple[Ticket, Record]] = []
        refused: list[Refused] = []
        for found in polled.records:
            record = found.record if isinstance(found, Unreadable) else found
            ticket = self._tracker.add(record.partition, record.offset)
            since_ms = now_ms if record.timestamp_ms < 0 else record.timestamp_ms
            self._unsettled.add(ticket, since_ms, record.size)
            self._lag.polled(record.partition, since_ms)
            if isinstance(found, Unreadable):
                refused.append(Refused(ticket, record, found.reason))
            else:
                tickets.append((ticket, record))
        self._beats.busy("batch")
        metrics.RECORDS_POLLED.inc(len(polled.records))
        if refused:
            self._jobs.append(WriteJob(self._in_use.current.bundle_version, refused=refused))
        if tickets:
            self._encoding.append(self._threads.encode.submit(self._decode_and_encode, tickets, now))

    def batch(self) -> None:
        """Hand batches to the forward threads: at most those that run and one that follows them."""
        while len(self._running) < self._in_use.current.tagger.engine.cost.at_once + _READY:
            is_busy = bool(self._running) and not self._is_draining
            budget = self._budget.tokens
            items = self._batcher.batch(budget, self._clock.monotonic(), is_engine_busy=is_busy)
            if not items:
                break
            assert items[0].release is not None
            cost = items[0].release.tagger.engine.cost
            batch = Batch(items, budget, cost.of_batch([len(item.tokens or ()) for item in items]))
            metrics.BATCH_TOKENS.observe(batch.tokens)
            batch.future = self._threads.forward.submit(self._forward, batch)
            self._running.append(batch)

    def settle(self, settled: Sequence[Settled]) -> None:
        """Count these records as settled: their offsets may be committed."""
        now_ms = self._clock.wall_ms()
        for one in settled:
            self._tracker.settle(one.ticket)
            metrics.LISTING_TO_TAGS_SECONDS.observe(self._unsettled.remove(one.ticket, now_ms))
            metrics.RECORDS_SETTLED.labels(one.how).inc()
        if settled:
            self._beats.beat("batch")
            self._lag.settled(len(settled))
            self.progress.settled(len(settled))
            self._dead_letter_pause.settled(settled, self._clock.monotonic())

    def _take_changes(self, changes: Iterable[Change]) -> None:
        identities = set()
        changes = list(changes)
        metrics.REBALANCES.inc(bool(changes))
        for change in changes:
            if change.is_assigned:
                self._tracker.assign(change.partition, change.committed)
                self._lag.assign(change.partition, self._clock.wall_ms())
                identities.add(change.store_identity)
            else:
                self._tracker.revoke(change.partition)
                self._lag.revoke(change.partition)
            where = change.partition
            _log.info("partition", topic=where.topic, number=where.number, ours=change.is_assigned)
        if known := sorted(identities - {""}):
            self._jobs.append(WriteJob(store_identities=known))

    def _decode_and_encode(self, polled: Sequence[tuple[Ticket, Record]], arrived_s: float) -> Encoded:
        """Decode records, mark their products as seen and tokenise the texts that are new. Runs on an encode thread."""
        started = self._clock.monotonic()
        decoded = decode(polled, arrived_s, self._settings.max_record_bytes)
        release, items = self._in_use.current, decoded.items
        try:
            self._store.mark_seen([item.arrival for item in items])
            items = with_stored_tags(items, self._store, release)
        except StoreMismatchError:
            raise
        except StoreError as error:
            # Only the freshness of look-ups and speed depend on it; the write that follows waits for the store.
            metrics.RETRIES.labels("store").inc()
            if not self._cannot_mark:
                next_step = "look-ups do not say that these products are on their way; nothing is lost"
                _log.warning("mark_seen_failed", message=str(error), next=next_step)
            self._cannot_mark = True
        else:
            self._cannot_mark = False
        encoded = encode(items, release)
        self._time("encode", started)
        return replace(encoded, refused=decoded.refused + encoded.refused)

    def _encode(self, items: Sequence[Item]) -> Encoded:
        """Tokenise restored items. Runs on the encode thread."""
        return encode(items, self._in_use.current)

    def _forward(self, batch: Batch) -> Forwarded:
        """Run the engine over a batch. Runs on the forward thread."""
        batch.started_s = self._clock.monotonic()
        release = batch.items[0].release
        assert release is not None
        result = forward(batch.items, release, keeps_vectors=self._keeps_vectors)
        batch.took_s = self._time("forward", batch.started_s)
        return result

    def _write(self, job: WriteJob) -> list[Settled]:
        """Write the results of a job. Runs on the write thread."""
        started = self._clock.monotonic()
        limit = self._settings.max_record_bytes
        result = write(job, self._store, self._sink, self._clock.wall_ms(), limit, self._texts)
        job.took_s = self._time("write", started)
        return result

    def _collect(self) -> None:
        """Pass what the stages have finished to the next hop."""
        while self._encoding and self._encoding[0].done():
            encoded = _result("encode", self._encoding.popleft())
            known = [found for item in encoded.items if (found := self._batcher.add(item)) is not None]
            if known or encoded.refused:
                version = self._in_use.current.bundle_version
                self._append(WriteJob(version, known=known, refused=encoded.refused))
        while self._running and self._running[0].is_done:
            batch = self._running.popleft()
            done = _result("forward", batch.future)
            self._pace.ran(batch)
            self._budget.ran(batch.budget, ran_out_of_memory=done.ran_out_of_memory)
            self._append(WriteJob(done.bundle_version, tagged=done.tagged, refused=done.refused))
            if done.restored:
                self._encoding.append(self._threads.encode.submit(self._encode, done.restored))
        if self._writing is not None and self._writing.done():
            self._finish_write(self._writing)
            self._writing = None

    def _append(self, job: WriteJob) -> None:
        job.keeps_texts, job.keeps_vectors = self._keeps_texts, self._keeps_vectors
        self._jobs.append(job)

    def _start_write(self) -> None:
        if self._writing is None and self._jobs and self._clock.monotonic() >= self._try_again_at:
            self._writing = self._threads.write.submit(self._write, self._jobs[0])

    def _finish_write(self, writing: Future[list[Settled]]) -> None:
        error = writing.exception()
        if isinstance(error, (StoreError, SinkError)) and not isinstance(error, StoreMismatchError):
            system = "store" if isinstance(error, StoreError) else "sink"
            if (system, str(error)) != self._logged_failure:
                next_step = "polling pauses, the write is repeated"
                _log.error("write_failed", system=system, message=str(error), next=next_step)
                self._logged_failure = system, str(error)
            if system == "sink":
                metrics.RETRIES.labels(system).inc()
            self._failing_system = system
            self._try_again_at = self._clock.monotonic() + _TRY_AGAIN_AFTER_S
            # The stage is alive; restarting the worker would not fix Redis or Kafka.
            self._beats.beat("batch")
            return
        settled = _result("write", writing)
        job = self._jobs.popleft()
        if self._failing_system:
            _log.info("write_recovered", system=self._failing_system)
            self._failing_system, self._logged_failure = "", ("", "")
        report(job.refused)
        self._pace.wrote(job.took_s)
        self.settle(settled)

    def _pause_or_resume(self) -> None:
        """Pause while too much is unsettled or a result cannot be written; polling itself never stops."""
        window = self._settings.window
        limit = window * 3 // 4 if self._is_full else window - 1
        self._is_full = len(self._unsettled) > limit or self._unsettled.size > _MAX_UNSETTLED_BYTES
        self._room = self._dead_letter_pause.room(self._clock.monotonic(), len(self._unsettled))
        pause = self._is_full or bool(self._failing_system) or self._room == 0 or self._is_draining
        if pause != self._is_paused:
            (self._source.pause if pause else self._source.resume)()
            self._is_paused = pause
        metrics.PAUSED.labels("full").set(self._is_full)
        for system in ("store", "sink"):
            metrics.PAUSED.labels(system).set(self._failing_system == system)

    def _commit(self) -> bool:
        """Commit what is settled. False if there was something to commit and the brokers did not take it."""
        self._committed_at = self._clock.monotonic()
        # A commit replaces the store's identity in the committed offset: not before the store was compared with it.
        is_compared = not any(job.store_identities for job in self._jobs)
        offsets = self._tracker.committable(self._source.positions() if is_compared else {})
        if not offsets:
            return True
        if not self._source.commit(offsets, self._store.identity):
            metrics.FAILED_COMMITS.inc()
            return False
        self._tracker.committed(offsets)
        return True

    def _report(self) -> None:
        metrics.RECORDS_WAITING.set(len(self._unsettled))
        if not self._unsettled:
            self._beats.idle("batch")
        now = self._clock.monotonic()
        if now - self._measured_at < _MEASURE_EVERY_S:
            return
        self._measured_at = now
        positions, ends, now_ms = self._source.positions(), self._source.ends(), self._clock.wall_ms()
        self._lag.measure(self._tracker.left(positions, ends), now, now_ms)
        due = self._pace.due((item for job in self._jobs for item in job.items), self._running, now)
        self.progress.measure(
            self._tracker.next_to_settle(positions),
            positions,
            ends,
            due,
            waiting=len(self._unsettled),
            engine_per_s=self._pace.per_s,
            now_s=now,
            now_ms=now_ms,
        )
        age_s = max(0.0, now - self._source.last_answer_s())
        self._beats.beat(KAFKA_BEAT, age_s)
        self._contact.saw(age_s)

    def _time(self, stage: str, started: float) -> float:
        took_s = self._clock.monotonic() - started
        metrics.STAGE_SECONDS.labels(stage).observe(took_s)
        return took_s


def _result(stage: str, future: Future[T] | None) -> T:
    assert future is not None
    error = future.exception()
    if isinstance(error, StoreMismatchError):
        raise error
    if error is not None:
        msg = f"the {stage} stage failed: {summary_of(error)}"
        raise StageError(msg) from error
    return future.result()
