"""What each assigned partition has left to settle: how many records, how old the oldest is, how long it takes."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from hangtag.records import Partition
from hangtag.telemetry import metrics
from hangtag.workers.settling_rate import SettlingRate
from hangtag.workers.waiting import WaitingRecords

# Lag with an age of 0 would say two things at once; clocks differ, and a record's timestamp may be ahead of ours.
_LEAST_AGE_S = 0.001


@dataclass(slots=True)
class _Seen:
    """What is known about a partition. Times in ms since 1970, -1: not known."""

    assigned_ms: int
    polled_ms: int = -1  # the largest timestamp of a polled record
    settled_ms: int = -1  # when everything in the partition was settled


class Lag:
    """Keeps the metrics of lag, one series for each assigned partition. One thread owns it."""

    def __init__(self, waiting: WaitingRecords, now_s: float) -> None:
        self._waiting = waiting
        self._rate = SettlingRate(now_s)
        self._partitions: dict[Partition, _Seen] = {}
        for gauge in (metrics.LAG_RECORDS, metrics.OLDEST_UNSETTLED_SECONDS):
            gauge.clear()
        metrics.DRAIN_SECONDS.set(0)
        metrics.ASSIGNED_PARTITIONS.set(0)

    def assign(self, partition: Partition, now_ms: int) -> None:
        """The partition is assigned from now on."""
        self._partitions[partition] = _Seen(now_ms)
        metrics.ASSIGNED_PARTITIONS.set(len(self._partitions))

    def revoke(self, partition: Partition) -> None:
        """The partition is no longer assigned: its series end."""
        self._partitions.pop(partition, None)
        metrics.ASSIGNED_PARTITIONS.set(len(self._partitions))
        for gauge in (metrics.LAG_RECORDS, metrics.OLDEST_UNSETTLED_SECONDS):
            with suppress(KeyError):  # it was never measured
                gauge.remove(str(partition.number))

    def polled(self, partition: Partition, timestamp_ms: int) -> None:
        """A record with this timestamp was polled."""
        if (seen := self._partitions.get(partition)) is not None:
            seen.polled_ms = max(seen.polled_ms, timestamp_ms)

    def settled(self, count: int) -> None:
        """So many records were settled."""
        self._rate.settled(count)

    def measure(self, left: Mapping[Partition, int], now_s: float, now_ms: int) -> None:
        """Set the metrics. `left` are the unsettled records of each partition, polled or not, where known."""
        total = 0
        for partition, count in left.items():
            seen = self._partitions.get(partition)
            if seen is None:
                continue
            total += count
            if not count:
                seen.settled_ms = now_ms
            age_s = max(_LEAST_AGE_S, (now_ms - self._oldest_ms(partition, seen)) / 1_000) if count else 0
            metrics.LAG_RECORDS.labels(str(partition.number)).set(count)
            metrics.OLDEST_UNSETTLED_SECONDS.labels(str(partition.number)).set(age_s)
        metrics.DRAIN_SECONDS.set(self._rate.drain_s(total, now_s))

    def _oldest_ms(self, partition: Partition, seen: _Seen) -> int:
        """The timestamp of the oldest unsettled record: exact if it is polled.

        One that still waits in the topic is about as old as the last one polled before it, but no older than the time
        when everything was settled.
        """
        oldest_ms = self._waiting.oldest_ms(partition)
        if oldest_ms is not None:
            return oldest_ms
        since_ms = max(seen.polled_ms, seen.settled_ms)
        return seen.assigned_ms if since_ms < 0 else since_ms
