"""Records that are polled and not settled: how many, how large, how old."""

from collections import defaultdict
from heapq import heapify, heappop, heappush

from hangtag.records import Partition
from hangtag.workers.tracker import Ticket

# Settled records leave a partition's heap when they reach its top, and all at once when there are many of them.
_MOST_SETTLED = 1_000


class WaitingRecords:
    """The unsettled records of a worker. One thread owns it."""

    def __init__(self) -> None:
        self._records: dict[Ticket, tuple[int, int]] = {}  # time in ms since 1970, and bytes
        self._oldest: defaultdict[Partition, list[tuple[int, Ticket]]] = defaultdict(list)
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def size(self) -> int:
        """Bytes of all values together."""
        return self._bytes

    def add(self, ticket: Ticket, since_ms: int, size: int) -> None:
        """A record was polled; it waits since its timestamp."""
        self._records[ticket] = since_ms, size
        self._bytes += size
        heap = self._oldest[ticket.partition]
        if len(heap) > len(self._records) + _MOST_SETTLED:
            heap[:] = [each for each in heap if each[1] in self._records]
            heapify(heap)
        heappush(heap, (since_ms, ticket))

    def remove(self, ticket: Ticket, now_ms: int) -> float:
        """The record is settled; returns how many seconds it waited since its timestamp."""
        since_ms, size = self._records.pop(ticket)
        self._bytes -= size
        return max(0.0, (now_ms - since_ms) / 1_000)

    def oldest_ms(self, partition: Partition) -> int | None:
        """Timestamp of the oldest record of a partition, in ms since 1970; None if there is none."""
        heap = self._oldest[partition]
        while heap and heap[0][1] not in self._records:
            heappop(heap)
        if heap:
            return heap[0][0]
        del self._oldest[partition]
        return None
