"""The ends of the assigned partitions, asked for without waiting."""

from collections.abc import Collection, Mapping
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from hangtag.kafka.internals import ask_ends, ends_of
from hangtag.records import Partition

_EVERY_S = 1.0
# The client forgets a request that it could not send; then it is sent again.
_GIVE_UP_S = 30.0


class EndOffsets:
    """Asks a consumer's brokers every second; the consumer's thread calls it.

    Not taken from what is fetched: a paused worker fetches nothing, and needs to know how far it falls behind.
    """

    def __init__(self) -> None:
        self._known: dict[Partition, int] = {}
        self._asked: Any = None
        self._asked_s = float("-inf")

    def of(
        self, consumer: KafkaConsumer, assigned: Collection[TopicPartition], now_s: float
    ) -> Mapping[Partition, int]:
        """The ends of these partitions, as far as they are known."""
        if self._asked is not None and self._asked.is_done:
            if self._asked.succeeded():
                self._known |= {Partition(*at): end for at, end in ends_of(self._asked).items()}
            self._asked = None
        self._known = {Partition(*at): self._known[Partition(*at)] for at in assigned if Partition(*at) in self._known}
        if assigned and now_s - self._asked_s >= (_EVERY_S if self._asked is None else _GIVE_UP_S):
            self._asked = ask_ends(consumer, assigned)
            self._asked_s = now_s
        return self._known
