"""How far the worker is with each of its partitions, for those who ask when a product gets its tags."""

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence

from hangtag.records import Partition
from hangtag.store import BatchProgress, PartitionProgress, RedisTagStore, StoreError
from hangtag.telemetry import get_log
from hangtag.workers.batches import Due
from hangtag.workers.settling_rate import SettlingRate

_EVERY_S = 0.5
# Shorter than that of the metric, which alerts look at: an estimate is for the next seconds.
_MEMORY_S = 30.0
# The engine's own pace counts like that of so many seconds.
_ENGINE_COUNTS_S = 10.0
_JOIN_S = 5.0

_log = get_log(__name__)


class Progress:
    """What the worker's loop measures; any thread may read it."""

    def __init__(self, now_s: float) -> None:
        self._worker = uuid.uuid4().hex[:8]
        self._rate = SettlingRate(now_s, _MEMORY_S, skips_first=True)
        self._partitions: Mapping[int, PartitionProgress] = {}

    @property
    def partitions(self) -> Mapping[int, PartitionProgress]:
        """The last measurement, by number of the partition."""
        return self._partitions

    def settled(self, count: int) -> None:
        """So many records were settled."""
        self._rate.settled(count)

    def measure(
        self,
        settled: Mapping[Partition, int],
        positions: Mapping[Partition, int],
        ends: Mapping[Partition, int],
        due: Sequence[Due],
        *,
        waiting: int,
        engine_per_s: float,
        now_s: float,
        now_ms: int,
    ) -> None:
        """Take a measurement.

        `settled` are the next offsets to settle; only these partitions are assigned. `engine_per_s` is how many records
        the engine can take in a second, as far as its last batches say.
        """
        self._rate.drain_s(waiting, now_s)
        per_s = self._rate.blended_with(engine_per_s, _ENGINE_COUNTS_S)
        found, in_batches = {}, sum(len(each.tickets) for each in due)
        for partition, offset in settled.items():
            position = max(offset, positions.get(partition, offset))
            found[partition.number] = PartitionProgress(
                next_offset=offset,
                position=position,
                end=max(position, ends.get(partition, position)),
                waiting=waiting,
                in_batches=in_batches,
                per_s=per_s,
                batches=tuple(BatchProgress.of(each.in_s, _offsets(each, partition), offset) for each in due),
                worker=self._worker,
                at_ms=now_ms,
            )
        self._partitions = found


def _offsets(due: Due, partition: Partition) -> list[int]:
    return [ticket.offset for ticket in due.tickets if ticket.partition == partition]


class ProgressReport:
    """A thread that writes the progress into the store twice a second.

    While the store does not answer nothing is written: servers then do not estimate. `on_failure` is called, from the
    thread, with any other error: it ended the thread.
    """

    def __init__(
        self,
        progress: Progress,
        store: RedisTagStore,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._progress, self._store, self._on_failure = progress, store, on_failure
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        try:
            while not self._stop.wait(_EVERY_S):
                try:
                    self._store.publish(self._progress.partitions)
                except StoreError as error:
                    _log.debug("progress_not_written", message=str(error), next="it is written when the store answers")
        except Exception as error:  # noqa: BLE001 (whatever it is, the process has to end)
            if not self._stop.is_set():
                self._on_failure(error)
