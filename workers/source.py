"""Where records come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hangtag.records import Partition, Record


@dataclass(frozen=True, slots=True)
class Change:
    """A partition was assigned to this worker, or taken from it.

    `store_identity` is that of the store that held the results when the partition's offset was committed; empty if it
    is not known or nothing is committed.
    """

    partition: Partition
    is_assigned: bool
    store_identity: str = ""


@dataclass(frozen=True, slots=True)
class Poll:
    """The result of one poll: first the changes of the assignment, in order, then records that were read under it."""

    changes: tuple[Change, ...] = ()
    records: tuple[Record, ...] = ()


class RecordSource(Protocol):
    """Reads records of a group's partitions. One thread makes all calls.

    A newly assigned partition is read from its committed offset on (from its beginning if there is none). One that
    stays assigned through a rebalance is not in `changes` and is read on without a gap.
    """

    def poll(self, timeout_s: float, max_records: int) -> Poll:
        """Wait for records, at most `timeout_s`. Paused or not, call it every few seconds to stay in the group.

        Raises:
            SourceError: the source cannot continue; the process has to end.
        """
        ...

    def pause(self) -> None:
        """From now on `poll` returns changes but no records."""
        ...

    def resume(self) -> None:
        """From now on `poll` returns records again."""
        ...

    def commit(self, offsets: Mapping[Partition, int], store_identity: str) -> bool:
        """Commit the next offset to read of each partition, with the identity of the store that holds the results.

        False: not now, because the group is rebalancing or a broker is away.
        """
        ...

    def close(self) -> None:
        """Leave the group. Commit first."""
        ...


class SourceError(RuntimeError):
    """Records cannot be read; the message says what to do."""
