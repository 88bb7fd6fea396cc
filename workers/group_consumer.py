"""kafka-python's consumer, for one that polls briefly."""

from typing import Any

from kafka.structs import MemberState

from hangtag.kafka.consumer import Consumer
from hangtag.kafka.internals import join_again

# A join is answered within tens of ms once every member has asked for it; nothing is read before.
_JOINING_POLL_MS = 50


class GroupConsumer(Consumer):
    """Takes the answer to every join that it started, however short its polls are.

    kafka-python 3.0 looks for that answer only while it considers a new join necessary. The group's leader joins again
    because the topic's partitions changed, and considers that done once it has assigned them. If the poll that started
    the join is over by then, nobody takes the answer: the member reads on without heartbeats, outside the group, and
    none of its commits is accepted. An answer that comes between two polls is thrown away, and costs the group one more
    rebalance: hence the longer polls.
    """

    def poll(self, timeout_ms: int, max_records: int) -> Any:
        """Records by partition, as `KafkaConsumer.poll`; while the member joins, nothing for 50 ms or more."""
        if self.group_metadata().state is MemberState.REBALANCING:
            join_again(self)
            timeout_ms = max(timeout_ms, _JOINING_POLL_MS)
        return super().poll(timeout_ms=timeout_ms, max_records=max_records)
