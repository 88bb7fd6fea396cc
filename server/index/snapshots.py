"""When the snapshot of the index is read and written."""

import time
from pathlib import Path

from hangtag.index import Index, SnapshotError
from hangtag.index.snapshot import Place, read_snapshot, write_snapshot
from hangtag.settings import Settings
from hangtag.telemetry import get_log, metrics

# Of the products in a snapshot at most this part may be deleted ones: reading the topic again gives their memory back.
_MOST_DELETED = 0.5
_MANY = 10_000

_log = get_log(__name__)


class Snapshots:
    """The file of the index, in `index.snapshot_dir`. Without that setting there is none. One thread calls it."""

    def __init__(self, settings: Settings) -> None:
        folder = settings.index.snapshot_dir
        self.path: Path | None = None if folder is None else folder / f"{settings.kafka.tagged_topic}.snapshot"
        self._every_s = settings.index.snapshot_every_s
        # Tombstones are only kept so long, so whoever has not read for longer may have missed one.
        self._longest_ms = settings.redis.deleted_ttl_s * 1_000
        self._due_s = time.monotonic() + self._every_s
        self._written: Place | None = None
        # When the file was last as new as the index, in ms since 1970.
        self.equal_ms = 0

    def read(self) -> tuple[Index, Place] | None:
        """The index as it was written last; None if there is no file that can be used, which is logged."""
        if self.path is None:
            return None
        started = time.monotonic()
        try:
            found = read_snapshot(self.path)
            if found is not None:
                self._check(*found)
        except SnapshotError as error:
            _log.warning("snapshot_ignored", file=str(self.path), reason=str(error), next="the whole topic is read")
            return None
        if found is not None:
            self._written = found[1]
            _log.info("snapshot_read", products=len(found[0].ids), seconds=round(time.monotonic() - started, 2))
        return found

    def forget(self) -> None:
        """The index begins anew: whatever the file has, it is written again."""
        self._written = None

    @property
    def is_due(self) -> bool:
        """Whether it is time to write one."""
        return self.path is not None and time.monotonic() >= self._due_s

    def write(self, index: Index, topic: str, offsets: dict[int, int]) -> bool:
        """Write the index unless the file has it already. False: it could not be written, which is logged."""
        self._due_s = time.monotonic() + self._every_s
        place = Place(topic, offsets, time.time_ns() // 1_000_000)
        before = self._written
        if self.path is None:
            return True
        if before is not None and (before.topic, before.offsets) == (topic, offsets):
            self.equal_ms = place.written_ms
            return True
        started = time.monotonic()
        try:
            size = write_snapshot(self.path, index, place)
        except OSError as error:
            metrics.INDEX_SNAPSHOTS.labels("failed").inc()
            next_step = "make room in index.snapshot_dir and let this program write there; it tries again"
            _log.error("snapshot_failed", file=str(self.path), reason=error.strerror, next=next_step)
            return False
        self._written, self.equal_ms = place, place.written_ms
        seconds = time.monotonic() - started
        metrics.INDEX_SNAPSHOTS.labels("written").inc()
        metrics.INDEX_SNAPSHOT_SECONDS.set(seconds)
        _log.info("snapshot_written", bytes=size, seconds=round(seconds, 2))
        return True

    def _check(self, index: Index, place: Place) -> None:
        age_ms = time.time_ns() // 1_000_000 - place.written_ms
        if age_ms > self._longest_ms:
            msg = f"it is {age_ms / 86_400_000:.1f} days old, deletions since then may be gone from the topic"
            raise SnapshotError(msg)
        products = len(index.rows)
        deleted = int(index.rows.columns["deleted"].sum())
        if products > _MANY and deleted > _MOST_DELETED * products:
            msg = f"{deleted:,} of its {products:,} products are deleted, which costs memory for nothing"
            raise SnapshotError(msg)
