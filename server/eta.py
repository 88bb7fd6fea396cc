"""When the tags of a version that waits are expected."""

import math
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from hangtag.store import PartitionProgress, Seen, StoreError
from hangtag.telemetry import get_log
from hangtag.telemetry.clock import Clock

# Workers write their progress twice a second, and it is read once a second.
_STALE_S = 10.0
_USUAL_DELAY_S = 0.75
_LONGEST_DELAY_S = 3.0
# What the last steps take.
_LEAST_S = 0.3

_log = get_log(__name__)


class ProgressSource(Protocol):
    """Where the progress of workers is read: `ProgressReader`."""

    def read(self) -> dict[int, PartitionProgress]:
        """The progress by number of the partition. Raises `StoreError`."""
        ...


class _Known(NamedTuple):
    """The progress of a partition and when it was measured, on the clock that never goes back."""

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
        before = self._known
        self._known = {
            number: before[number]
            if number in before and before[number].progress.at_ms == progress.at_ms
            else _Known(progress, self._measured_s(progress, is_renewed=number in before))
            for number, progress in found.items()
        }

    def _measured_s(self, progress: PartitionProgress, *, is_renewed: bool) -> float:
        """When a progress was measured that is read for the first time.

        The clocks of workers may be wrong. So where the clocks differ by more than the delay, one that was renewed
        since the last look counts as new, and another one as of a worker that has ended.
        """
        delay_s = (self._clock.wall_ms() - progress.at_ms) / 1_000
        if not 0 <= delay_s <= _LONGEST_DELAY_S:
            delay_s = _USUAL_DELAY_S if is_renewed else math.inf
        return self._clock.monotonic() - delay_s

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
        left_s = _left_s(seen.offset, progress, known) - (now_s - found.since_s)
        return round(1_000 * max(left_s, _LEAST_S))


def _left_s(offset: int, progress: PartitionProgress, known: Mapping[int, _Known]) -> float:
    """Seconds from the measurement until the tags of the event at this offset are stored.

    What is in a batch ends with it. The rest of what is polled follows in no strict order, since a batch has texts of
    similar length: half of it counts, for what is polled next and for what was polled and not chosen. What is not
    polled waits until as many records of each partition are.
    """
    place = offset - progress.next_offset
    for batch in progress.batches:
        if batch.bits >> place & 1:
            return batch.in_ms / 1_000
    batches_s = max((batch.in_ms for batch in progress.batches), default=0) / 1_000
    rest = max(0, progress.waiting - progress.in_batches)
    behind = offset - progress.position + 1
    ahead = rest / 2
    if behind > 0:
        others = (each.progress for each in known.values() if each.progress.worker == progress.worker)
        ahead += sum(min(behind, each.end - each.position) for each in others)
    return batches_s + ahead / progress.per_s
