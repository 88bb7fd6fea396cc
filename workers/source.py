"""Where records come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from hangtag.records import Partition, Record
from hangtag.write import Reason


@dataclass(frozen=True, slots=True)
class Change:
    """A partition was assigned to this worker, or taken from it.

    `committed` is the partition's committed offset, -1 if it is not known or there is none. `store_identity` is that of
    the store that held the results when it was committed; empty if it is not known or nothing is committed.
    """

    partition: Partition
    is_assigned: bool
    store_identity: str = ""
    committed: int = -1


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for offsets that cannot be read as records: their raw bytes are the value of `record`, the last of them.

    It is a dead letter, with `reason`.
    """

    record: Record
    reason: Reason


@dataclass(frozen=True, slots=True)
class Poll:
    """The result of one poll: first the changes of the assignment, in order, then records that were read under it."""

    changes: tuple[Change, ...] = ()
    records: tuple[Record | Unreadable, ...] = ()


class Membership(NamedTuple):
    """Where a worker stands in its group: whether it has joined, and how many partitions it was given."""

    is_member: bool
    partitions: int


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

    def positions(self) -> Mapping[Partition, int]:
        """The next offset that `poll` reads, of each partition of which every record read so far was returned.

        It is past offsets that are never returned: those of transactions' markers and of aborted records.
        """
        ...

    def ends(self) -> Mapping[Partition, int]:
        """The end of each assigned partition where it is known: the offset behind the last record that can be read.

        It does not wait, so it may be a second or two old, and says the same while the brokers are away.
        """
        ...

    def last_answer_s(self) -> float:
        """When the brokers last answered, on the clock of `time.monotonic`."""
        ...

    def close(self) -> None:
        """Leave the group. Commit first."""
        ...


class SourceError(RuntimeError):
    """Records cannot be read; the message says what to do."""
