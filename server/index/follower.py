"""The thread that keeps the index in step with `products.tagged`."""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from typing import Any

from hangtag.index import Change, Index
from hangtag.kafka.raw_batch import RawBatch
from hangtag.server.brokers_watch import BrokersWatch
from hangtag.server.index.changes import Changes
from hangtag.server.index.moment import Moment
from hangtag.server.index.reader import Position, TaggedReader
from hangtag.server.index.repair import Wrong
from hangtag.server.index.snapshots import Snapshots
from hangtag.server.tagged_consumer import TopicAwayError
from hangtag.settings import Settings
from hangtag.tagger.spare_memory import give_back
from hangtag.telemetry import Heartbeats, get_log, metrics

INDEX_BEAT = "index"

_TRY_AGAIN_AFTER_S = 2.0
_LOOK_EVERY_S = 1.0
# Changes that become visible together; calls wait for Python meanwhile.
_AT_ONCE = 64
# How long common tags and pairs of tags are counted before the first call; of those that are left, one whenever nothing
# arrives. Of 1,000,000 products all take half a second.
_PREPARE_S = 2.0
# How often a batch with a wrong checksum is fetched: it may have been damaged on the way.
_TRIES = 3
_NEXT_STEP = "fix it for changes to be found; until then the index answers from what it has"

_log = get_log(__name__)


class IndexFollower:
    """Reads the topic from the snapshot on, or from its beginning, and then whatever comes. One thread runs `run`.

    Until it has caught up for the first time, `moment` is None. Later it always is what calls are answered from, also
    while Kafka is away and while the topic is read once more.
    """

    def __init__(
        self, settings: Settings, beats: Heartbeats, on_serving: Callable[[], None], stop: threading.Event
    ) -> None:
        self._settings = settings
        self._beats = beats
        self._on_serving = on_serving
        self._stop = stop
        self._snapshots = Snapshots(settings)
        self._changes = Changes()
        # The index that is being filled, and the one that calls are answered from: another one while the topic is read
        # once more.
        self._index = self._shown = Index()
        self._topic = ""
        self._positions: dict[int, Position] = {}
        self._is_caught_up = False
        self._damaged: tuple[int, int, int] = (-1, -1, 0)
        self._watch = BrokersWatch(settings.kafka.tagged_topic, metrics.INDEX_FOLLOWS, _NEXT_STEP)
        self._look_at_s = self._answered_at = 0.0
        self._wants: set[str] = set()
        self._blocked: frozenset[str] = frozenset()
        self._blocking = threading.RLock()
        self._started_s = time.monotonic()
        self.moment: Moment | None = None
        # How often the topic was read to its end, from the snapshot or from its beginning.
        self.readings = 0
        self._wrong: deque[Sequence[Wrong]] = deque()
        # How often products were repaired.
        self.repairs = 0

    @property
    def snapshot_path(self) -> str:
        """The file of the snapshot; empty if there is none."""
        return str(self._snapshots.path or "")

    @property
    def snapshot_ms(self) -> int:
        """When the snapshot was last as new as the index, in ms since 1970; 0: not yet."""
        return self._snapshots.equal_ms

    @property
    def is_caught_up(self) -> bool:
        """False while the topic is read from its beginning or from the snapshot, for the first time or once more."""
        return self._is_caught_up

    def want_snapshot(self) -> None:
        """Write a snapshot soon. Any thread may call."""
        self._wants.add("snapshot")

    def want_reading_again(self) -> None:
        """Read the whole topic once more into a new index, which then takes the place of this one. Any thread may."""
        self._wants.add("reading again")

    def want_repair(self, wrong: Sequence[Wrong]) -> None:
        """Replace what is known of these products soon; `repairs` counts it. Any thread may."""
        self._wrong.append(wrong)

    def block(self, tags: Collection[str]) -> None:
        """From now on these tags are not found, counted or shown, and no others are left out. Any thread may call."""
        with self._blocking:
            self._blocked = frozenset(tags)
            self._index.block(self._blocked)
            if self.moment is not None:
                self._shown.block(self._blocked)
                self._show(self.moment.positions)

    def run(self) -> None:
        """Read until `stop` is set. Whatever it raises has to end the process."""
        found = self._snapshots.read()
        if found is not None:
            with self._blocking:
                self._index, place = found
                self._index.block(self._blocked)
            self._topic = place.topic
            self._positions = {number: Position(offset, offset, 0) for number, offset in place.offsets.items()}
        while not self._stop.is_set():
            self._beats.beat(INDEX_BEAT)
            try:
                self._read()
            except TopicAwayError as error:
                self._measure()
                self._watch.report(str(error))
                self._stop.wait(_TRY_AGAIN_AFTER_S)
        if self._is_caught_up:
            self._write_snapshot()

    def _read(self) -> None:
        offsets = {number: each.offset for number, each in self._positions.items()}
        with closing(TaggedReader(self._settings, self._topic, offsets)) as reader:
            if reader.begins_anew and (self._is_caught_up or self._positions):
                self._begin_anew()
            self._topic = reader.topic_id
            self._answered_at = time.time()
            while not self._stop.is_set():
                self._beats.beat(INDEX_BEAT)
                self._step(reader)
                if "reading again" in self._wants:
                    self._wants.discard("reading again")
                    self._begin_anew()
                    self._topic = ""
                    return

    def _begin_anew(self) -> None:
        _log.info("reading_topic_again", topic=self._settings.kafka.tagged_topic)
        with self._blocking:
            self._index, self._positions, self._is_caught_up = Index(), {}, False
            self._index.block(self._blocked)
        self._snapshots.forget()
        self._started_s = time.monotonic()

    def _step(self, reader: TaggedReader) -> None:
        found = reader.poll()
        if not found and self._is_caught_up:
            self._index.view().prepare()
        self._check_damage(found)
        for each in found:
            changes = self._changes.of(each)
            for first in range(0, len(changes), _AT_ONCE) if self._is_caught_up else [0] * bool(changes):
                some = changes[first : first + _AT_ONCE] if self._is_caught_up else changes
                self._take(some)
        self._positions |= reader.positions()
        self._answered_at = max(self._answered_at, reader.answered_at() or 0.0)
        if not self._is_caught_up and reader.has_caught_up(self._positions):
            self._caught_up()
        if self._is_caught_up:
            self._show(self._positions)
        if time.monotonic() >= self._look_at_s:
            self._look_at_s = time.monotonic() + _LOOK_EVERY_S
            self._look(reader)

    def _take(self, changes: list[Change]) -> None:
        unreadable = self._index.unreadable
        taken = self._index.take(changes)
        unreadable = self._index.unreadable - unreadable
        metrics.INDEX_CHANGES.labels("taken").inc(taken)
        metrics.INDEX_CHANGES.labels("older").inc(len(changes) - taken - unreadable)
        if unreadable:
            metrics.INDEX_CHANGES.labels("unreadable").inc(unreadable)
            _log.warning("tags_unreadable", records=unreadable)
        if self._is_caught_up and self.moment is not None:
            self._show(self.moment.positions)

    def _repair(self, wrong: Sequence[Wrong]) -> None:
        replaced = self._index.replace(wrong)
        # Its offsets may be those of the snapshot, which has the wrong products.
        self._snapshots.forget()
        self._show(self._positions)
        self.repairs += 1
        _log.info("index_repaired", products=replaced, changed_meanwhile=len(wrong) - replaced)

    def _prepare(self) -> None:
        """Count what many will ask for, so that this takes no time from their calls."""
        view, until = self._index.view(), time.monotonic() + _PREPARE_S
        while view.prepare() and time.monotonic() < until:
            pass

    def _caught_up(self) -> None:
        self._index.build()
        self._prepare()
        give_back()
        with self._blocking:
            self._is_caught_up = True
            self._shown = self._index
            self.readings += 1
            self._show(self._positions)
        seconds = round(time.monotonic() - self._started_s, 2)
        _log.info("index_complete", products=len(self._index.view().products), seconds=seconds)
        self._on_serving()

    def _show(self, positions: Mapping[int, Position]) -> None:
        """From now on calls are answered from what the index holds."""
        # A view that was taken before a tag was blocked must not replace the one after it.
        with self._blocking:
            self.moment = Moment(self._shown.view(), dict(positions), self._answered_at)

    def _check_damage(self, found: list[Any]) -> None:
        """Fetch a batch with a wrong checksum again, as often as that can help.

        Raises:
            TopicAwayError: reading has to begin again where it was.
        """
        for each in found:
            if not (isinstance(each.value, RawBatch) and each.value.may_pass):
                continue
            partition, offset, tries = self._damaged
            tries = tries + 1 if (partition, offset) == (each.partition, each.offset) else 1
            self._damaged = (each.partition, each.offset, tries)
            if tries < _TRIES:
                msg = f"the batch up to offset {each.offset} of partition {each.partition}: {each.value.why}"
                raise TopicAwayError(msg)

    def _look(self, reader: TaggedReader) -> None:
        self._measure()
        self._watch.silent(time.time() - self._answered_at)
        reader.take_new_partitions()
        if self._changes.unreadable:
            metrics.INDEX_CHANGES.labels("unreadable").inc(self._changes.unreadable)
            self._changes.unreadable = 0
        while self._is_caught_up and self._wrong:
            self._repair(self._wrong.popleft())
        if self._is_caught_up and (self._snapshots.is_due or "snapshot" in self._wants):
            self._wants.discard("snapshot")
            self._write_snapshot()

    def _write_snapshot(self) -> None:
        self._snapshots.write(
            self._index, self._topic, {number: each.offset for number, each in self._positions.items()}
        )

    def _measure(self) -> None:
        if self.moment is not None:
            metrics.INDEX_PRODUCTS.set(len(self.moment.view.products))
            metrics.INDEX_AGE_SECONDS.set(self.moment.age_s)
        metrics.INDEX_LAG_RECORDS.set(sum(each.end - each.offset for each in self._positions.values()))
