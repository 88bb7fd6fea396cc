"""Records that are polled and not settled: how many, how large, how old."""

from hangtag.workers.tracker import Ticket


class WaitingRecords:
    """The unsettled records of a worker. One thread owns it."""

    def __init__(self) -> None:
        self._records: dict[Ticket, tuple[int, int]] = {}  # time in ms since 1970, and bytes
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

    def remove(self, ticket: Ticket, now_ms: int) -> float:
        """The record is settled; returns how many seconds it waited since its timestamp."""
        since_ms, size = self._records.pop(ticket)
        self._bytes -= size
        return max(0.0, (now_ms - since_ms) / 1_000)

    def oldest_age_s(self, now_ms: int) -> float:
        """Age of the oldest record; 0 if there is none, or its timestamp is in the future."""
        oldest = min((since_ms for since_ms, _ in self._records.values()), default=now_ms)
        return max(0.0, (now_ms - oldest) / 1_000)
