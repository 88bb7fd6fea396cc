"""kafka-python's consumer, for one that polls briefly."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka.errors import FencedInstanceIdError
from kafka.structs import MemberState

from hangtag.kafka.consumer import Consumer
from hangtag.kafka.internals import has_lost_its_id, join_again, keep_joins, partitions_seen
from hangtag.workers.source import SourceError

# The least time in which a poll takes the answer to a join.
_JOINING_POLL_MS = 10


class GroupConsumer(Consumer):
    """Takes the answer to every join that it started, however short its polls are.

    kafka-python 3.0 looks for that answer only while it considers a new join necessary. The group's leader joins again
    because the topic's partitions changed, and considers that done once it has assigned them. If the poll that started
    the join is over by then, nobody takes the answer: the member reads on without heartbeats, outside the group, and
    none of its commits is accepted. An answer that comes between two polls is kept for the next one.

    Of static members, one whose id another has taken ends with an error, while kafka-python reads on until the next
    commit; and one that sees new partitions joins again. For when the group's leader restarts under its id, the brokers
    let nobody lead the group until its next rebalance, and nobody else would notice the partitions.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        keep_joins(self)
        self._partitions: dict[str, set[int]] = {}

    def poll(self, timeout_ms: int, max_records: int) -> Any:
        """Records by partition, as `KafkaConsumer.poll`; while the member joins, nothing.

        Raises:
            SourceError: another member has taken the id of this one.
        """
        member = self.group_metadata()
        if member.state is MemberState.REBALANCING:
            join_again(self)
            timeout_ms = max(timeout_ms, _JOINING_POLL_MS)
        with self._id_of_its_own():
            if member.group_instance_id is not None:
                self._look_after_the_group()
            return super().poll(timeout_ms=timeout_ms, max_records=max_records)

    def commit(self, offsets: Any = None, timeout_ms: int | None = None) -> None:
        """Commit, as `KafkaConsumer.commit`; raises what `poll` raises."""
        with self._id_of_its_own():
            super().commit(offsets, timeout_ms=timeout_ms)

    def _look_after_the_group(self) -> None:
        if has_lost_its_id(self):
            raise FencedInstanceIdError
        partitions = partitions_seen(self)
        if self._partitions and partitions != self._partitions:
            join_again(self)
        self._partitions = partitions

    @contextmanager
    def _id_of_its_own(self) -> Iterator[None]:
        try:
            yield
        except FencedInstanceIdError as error:
            member = self.group_metadata()
            msg = (
                f"another worker has joined the group {member.group_id} as {member.group_instance_id} "
                "(kafka.group_instance_id) and takes over; give every worker an id of its own, such as its pod's name"
            )
            raise SourceError(msg) from error
