"""When the tags of a version that waits are expected."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from hangtag.store import PartitionProgress, Seen, StoreError
from hangtag.telemetry import get_log
from hangtag.telemetry.clock import Clock

# Workers write their progress twice a second.
_STALE_S = 10.0
# Of an estimate that is over while the tags are not there.
_LEAST_LEFT = 0.25

_log = get_log(__name__)


class ProgressSource(Protocol):
    """Where the progress of workers is read: `ProgressReader`."""

    def read(self) -> dict[int, PartitionProgress]:
        """The progress by number of the partition. Raises `StoreError`."""
        ...


class _Known(NamedTuple):
    """The progress of a partition and when this was first read, on the clock that never goes back."""

    progress: PartitionProgress
    since_s: float


class Eta:
    """Estimates from how many records a worker has in front of an event, and how fast it settles them.

    One thread calls `refresh` once a second; any thread may call `of`.
    """

    def __init__(self, source: ProgressSource, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self._known: Mapping[int, _Known] = {}
        self._problem: type[StoreError] | None = None

    def refresh(self) -> None:
        """Read the progress of the workers again. Without the store what is known grows too old to count."""
        try:
            found = self._source.read()
        except StoreError as error:
            if type(error) is not self._problem:
                _log.warning(
                    "progress_unreadable", message=str(error), next="look-ups do not say when tags are expected"
                )
            self._problem = type(error)
            return
        self._problem = None
        now_s, before = self._clock.monotonic(), self._known
        # The clocks of workers may differ from ours: how old a progress is counts from when it was first seen.
        self._known = {
            number: before[number]
            if number in before and before[number].progress.at_ms == progress.at_ms
            else _Known(progress, now_s)
            for number, progress in found.items()
        }

    def of(self, seen: Seen) -> int | None:
        """In how many ms the tags of a received version are expected; None if that is not known.

        It is not known without the place of its event, for one that is settled, and while its partition has no worker
        that settles anything.
        """
        known, now_s = self._known, self._clock.monotonic()
        found = known.get(seen.partition)
        if found is None or now_s - found.since_s > _STALE_S:
            return None
        progress = found.progress
        if progress.per_s <= 0 or seen.offset < progress.next_offset:
            return None
        left_s = _left_s(seen.offset, progress, known)
        return round(1_000 * max(left_s - (now_s - found.since_s), left_s * _LEAST_LEFT))


def _left_s(offset: int, progress: PartitionProgress, known: Mapping[int, _Known]) -> float:
    """Seconds from the measurement until the event of this offset is settled.

    What is in a batch is settled with it. Then comes the rest of what is polled, by and by and in no strict order, and
    then as many records of each partition of the worker.
    """
    place = offset - progress.next_offset
    for batch in progress.batches:
        if batch.bits >> place & 1:
            return batch.in_ms / 1_000
    first_s = max((batch.in_ms for batch in progress.batches), default=0) / 1_000
    rest = max(0, progress.waiting - progress.in_batches)
    if offset < progress.position:
        return first_s + rest / progress.per_s * (place + 1) / (progress.position - progress.next_offset)
    behind = offset - progress.position + 1
    others = (each.progress for each in known.values() if each.progress.worker == progress.worker)
    ahead = progress.waiting + sum(min(behind, each.end - each.position) for each in others)
    return ahead / progress.per_s
