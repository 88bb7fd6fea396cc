"""kafka-python's consumer, for one that polls briefly."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka.errors import FencedInstanceIdError
from kafka.structs import MemberState

from hangtag.kafka.consumer import Consumer
from hangtag.kafka.internals import has_lost_its_id, join_again
from hangtag.workers.source import SourceError

# A join is answered within tens of ms once every member has asked for it; nothing is read before.
_JOINING_POLL_MS = 50


class GroupConsumer(Consumer):
    """Takes the answer to every join that it started, however short its polls are.

    kafka-python 3.0 looks for that answer only while it considers a new join necessary. The group's leader joins again
    because the topic's partitions changed, and considers that done once it has assigned them. If the poll that started
    the join is over by then, nobody takes the answer: the member reads on without heartbeats, outside the group, and
    none of its commits is accepted. An answer that comes between two polls is thrown away, and costs the group one more
    rebalance: hence the longer polls.

    A static member whose id another one has taken ends with an error; kafka-python reads on until the next commit.
    """

    def poll(self, timeout_ms: int, max_records: int) -> Any:
        """Records by partition, as `KafkaConsumer.poll`; while the member joins, nothing for 50 ms or more.

        Raises:
            SourceError: another member has taken the id of this one.
        """
        member = self.group_metadata()
        if member.state is MemberState.REBALANCING:
            join_again(self)
            timeout_ms = max(timeout_ms, _JOINING_POLL_MS)
        with self._id_of_its_own():
            if member.group_instance_id is not None and has_lost_its_id(self):
                raise FencedInstanceIdError
            return super().poll(timeout_ms=timeout_ms, max_records=max_records)

    def commit(self, offsets: Any = None, timeout_ms: int | None = None) -> None:
        """Commit, as `KafkaConsumer.commit`; raises what `poll` raises."""
        with self._id_of_its_own():
            super().commit(offsets, timeout_ms=timeout_ms)

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
