"""A consumer of the end of `products.tagged`, in no group: it commits nothing, and no other reader notices it."""

from contextlib import suppress

from kafka import TopicPartition
from kafka.errors import KafkaError

from hangtag.kafka.consumer import Consumer
from hangtag.kafka.internals import last_read_s
from hangtag.kafka.topics import missing_topic
from hangtag.records import Record
from hangtag.server.tagged_consumer import (
    CLOSE_TIMEOUT_MS,
    OPEN_TIMEOUT_MS,
    POLL_MS,
    POSITION_TIMEOUT_MS,
    TopicAwayError,
    open_consumer,
    partitions_of,
    reason_of,
)
from hangtag.settings import Settings

_MAX_RECORDS = 2_000


class TopicEnd:
    """Reads what is produced from now on. One thread uses it.

    Raises:
        TopicAwayError: no broker answers, the settings cannot work, or there is no such topic.
    """

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.kafka.tagged_topic
        self._consumer = open_consumer(Consumer, settings.kafka, "hangtag-server")
        try:
            self._partitions: set[TopicPartition] = set()
            self._begin(settings)
        except BaseException:
            self.close()
            raise

    def poll(self) -> list[Record]:
        """New records, each partition in its order; waits for half a second at most.

        Raises:
            TopicAwayError: the brokers refused, or the position is lost.
        """
        try:
            fetched = self._consumer.poll(timeout_ms=POLL_MS, max_records=_MAX_RECORDS)
        except KafkaError as error:
            raise TopicAwayError(reason_of(error)) from error
        return [Record.of(one) for many in fetched.values() for one in many]

    def take_new_partitions(self) -> None:
        """Read partitions that were added since from their beginning: nobody could read them before.

        Raises:
            TopicAwayError: the brokers refused.
        """
        try:
            found = self._found() - self._partitions
            if found:
                self._partitions |= found
                self._consumer.assign(sorted(self._partitions))
                for at in found:
                    self._consumer.seek(at, 0)
        except KafkaError as error:
            raise TopicAwayError(reason_of(error)) from error

    def lag(self) -> int:
        """Records that were not read yet, as far as the brokers have told."""
        lag = 0
        for at in self._partitions:
            with suppress(KafkaError):
                position = self._consumer.position(at, timeout_ms=POSITION_TIMEOUT_MS)
                lag += max(0, (self._consumer.highwater(at) or 0) - (position or 0))
        return lag

    def answered_s(self) -> float | None:
        """When a broker last answered, in seconds of `time.monotonic`; None: no connection is open."""
        return last_read_s(self._consumer)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)

    def _begin(self, settings: Settings) -> None:
        try:
            self._partitions = self._found()
            if not self._partitions:
                raise TopicAwayError(missing_topic(settings.kafka, self._topic, settings.redis.deleted_ttl_s))
            self._consumer.assign(sorted(self._partitions))
            for at, end in self._consumer.end_offsets(sorted(self._partitions), timeout_ms=OPEN_TIMEOUT_MS).items():
                self._consumer.seek(at, end)
        except KafkaError as error:
            raise TopicAwayError(reason_of(error)) from error

    def _found(self) -> set[TopicPartition]:
        return set(partitions_of(self._consumer, self._topic))
