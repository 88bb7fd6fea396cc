"""Where records come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hangtag.records import Partition, Record


@dataclass(frozen=True, slots=True)
class Change:
    """A partition became ours, or left us."""

    partition: Partition
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought: first the changes of the assignment, in order, then records that were read under it."""

    changes: tuple[Change, ...] = ()
    records: tuple[Record, ...] = ()


class RecordSource(Protocol):
    """Reads records of a group's partitions. One thread calls all of it.

    A partition that is newly ours is read from its committed offset on (from its beginning if there is none). One that
    stays ours through a change of the group is not mentioned in `changes` and is read on without a gap.
    """

    def poll(self, timeout_s: float, max_records: int) -> Polled:
        """Wait for records, at most `timeout_s`. Paused or not, call it every few seconds to stay in the group.

        Raises:
            SourceError: the source cannot go on; the process has to end.
        """
        ...

    def pause(self) -> None:
        """Poll brings changes but no records from here on."""
        ...

    def resume(self) -> None:
        """Poll brings records again."""
        ...

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Commit the next offset to read of each partition. False: not now (the group changes, a broker is away)."""
        ...

    def close(self) -> None:
        """Leave the group. Commit first."""
        ...


class SourceError(RuntimeError):
    """Records cannot be read; the message says what to do."""
