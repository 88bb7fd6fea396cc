"""A consumer of the end of `products.tagged`, in no group: it commits nothing, and no other reader notices it."""

from contextlib import suppress

from kafka import TopicPartition
from kafka.errors import KafkaError

from hangtag.kafka.consumer import Consumer
from hangtag.kafka.internals import last_read_s
from hangtag.kafka.options import kafka_options
from hangtag.kafka.topics import missing_topic
from hangtag.kafka.trouble import KafkaSettingsError, check_settings, watching
from hangtag.records import Record
from hangtag.settings import Settings

_POLL_MS = 500
_MAX_RECORDS = 2_000
_OPEN_TIMEOUT_MS = 5_000
_CLOSE_TIMEOUT_MS = 1_000
_POSITION_TIMEOUT_MS = 100
# New partitions are noticed that late.
_METADATA_MAX_AGE_MS = 30_000


class TopicAwayError(Exception):
    """The topic cannot be read; the message has the cause and what to check."""


class TopicEnd:
    """Reads what is produced from now on. One thread uses it.

    Raises:
        TopicAwayError: no broker answers, the settings cannot work, or there is no such topic.
    """

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.kafka.tagged_topic
        with watching(settings.kafka) as trouble:
            try:
                check_settings(settings.kafka)
                self._consumer = Consumer(
                    **kafka_options(settings.kafka, "hangtag-server"),
                    metrics_enabled=False,
                    enable_auto_commit=False,
                    # A position that the broker no longer has is an error: something was missed.
                    auto_offset_reset="none",
                    isolation_level="read_committed",
                    allow_auto_create_topics=False,
                    bootstrap_timeout_ms=_OPEN_TIMEOUT_MS,
                    metadata_max_age_ms=_METADATA_MAX_AGE_MS,
                )
            except KafkaSettingsError as error:
                raise TopicAwayError(str(error)) from error
            except KafkaError as error:
                raise TopicAwayError(trouble.explain(error)) from error
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
            fetched = self._consumer.poll(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
        except KafkaError as error:
            raise TopicAwayError(_reason(error)) from error
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
            raise TopicAwayError(_reason(error)) from error

    def lag(self) -> int:
        """Records that were not read yet, as far as the brokers have told."""
        lag = 0
        for at in self._partitions:
            with suppress(KafkaError):
                position = self._consumer.position(at, timeout_ms=_POSITION_TIMEOUT_MS)
                lag += max(0, (self._consumer.highwater(at) or 0) - (position or 0))
        return lag

    def answered_s(self) -> float | None:
        """When a broker last answered, in seconds of `time.monotonic`; None: no connection is open."""
        return last_read_s(self._consumer)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close(autocommit=False, timeout_ms=_CLOSE_TIMEOUT_MS)

    def _begin(self, settings: Settings) -> None:
        try:
            self._partitions = self._found()
            if not self._partitions:
                raise TopicAwayError(missing_topic(settings.kafka, self._topic, settings.redis.deleted_ttl_s))
            self._consumer.assign(sorted(self._partitions))
            for at, end in self._consumer.end_offsets(sorted(self._partitions), timeout_ms=_OPEN_TIMEOUT_MS).items():
                self._consumer.seek(at, end)
        except KafkaError as error:
            raise TopicAwayError(_reason(error)) from error

    def _found(self) -> set[TopicPartition]:
        return {TopicPartition(self._topic, number) for number in self._consumer.partitions_for_topic(self._topic)}


def _reason(error: KafkaError) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
