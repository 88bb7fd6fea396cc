"""Produces tags and dead letters with kafka-python."""

import time
from dataclasses import dataclass
from typing import Any

from kafka.errors import KafkaError, MessageSizeTooLargeError

from hangtag.kafka.options import kafka_options
from hangtag.kafka.producer import Producer
from hangtag.records import Record, dead_letter_headers
from hangtag.settings import KafkaSettings
from hangtag.store import Entry
from hangtag.write.sink import Reason, SinkError
from hangtag.write.tagged_record import record_of

_OPEN_TIMEOUT_MS = 5_000
# A record that a broker accepted must be sent on with more headers; the dead-letter topic's own limit decides.
_MAX_REQUEST_BYTES = 64 * 1_048_576


@dataclass(slots=True)
class _Message:
    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    future: Any = None


class KafkaSink:
    """An idempotent producer, opened when it is first needed. A `flush` takes at most about `flush_timeout_s`."""

    def __init__(self, settings: KafkaSettings, client_id: str = "hangtag-worker", flush_timeout_s: float = 5) -> None:
        self._settings = settings
        self._client_id = client_id
        self._flush_timeout_s = flush_timeout_s
        self._producer: Producer | None = None
        self._unacknowledged: list[_Message] = []

    def tagged(self, entry: Entry) -> None:
        """See `RecordSink`."""
        key, value, headers = record_of(entry)
        self._unacknowledged.append(_Message(self._settings.tagged_topic, key, value, list(headers)))

    def dead_letter(self, record: Record, reason: Reason, bundle_version: str) -> None:
        """See `RecordSink`. A record without key and value gets an empty value, which kafka-python requires."""
        headers = dead_letter_headers(
            record,
            group=self._settings.group,
            stage=reason.stage,
            error=reason.error,
            message=reason.message,
            attempts=reason.attempts,
            bundle_version=bundle_version,
        )
        value = b"" if record.key is None and record.value is None else record.value
        self._unacknowledged.append(_Message(self._settings.dead_letter_topic, record.key, value, headers))

    def retract_tags(self) -> None:
        """See `RecordSink`."""
        kept = self._settings.dead_letter_topic
        self._unacknowledged = [message for message in self._unacknowledged if message.topic == kept]

    def flush(self) -> None:
        """See `RecordSink`. After an error nothing is in flight: a new producer sends what is still queued."""
        if not self._unacknowledged:
            return
        deadline = time.monotonic() + self._flush_timeout_s
        error: Exception | None = None
        topic = ""
        for message in self._unacknowledged:
            try:
                self._send(message)
            except (KafkaError, ValueError, TypeError) as failure:
                error, topic = failure, message.topic
                break
        still = []
        for message in self._unacknowledged:
            try:
                if message.future is None:
                    still.append(message)
                else:
                    message.future.get(timeout=max(0.0, deadline - time.monotonic()))
            except KafkaError as failure:
                error, topic = failure, message.topic
                still.append(message)
        self._unacknowledged = still
        if error is not None:
            self.close()
            for message in still:
                message.future = None
            raise SinkError(_advice(topic, error)) from error

    def close(self) -> None:
        """See `RecordSink`."""
        if self._producer is not None:
            self._producer.abandon()
            self._producer = None

    def _send(self, message: _Message) -> None:
        if self._producer is None:
            self._producer = Producer(
                **kafka_options(self._settings, self._client_id),
                metrics_enabled=False,
                acks="all",
                max_request_size=_MAX_REQUEST_BYTES,
                max_block_ms=_OPEN_TIMEOUT_MS,
                bootstrap_timeout_ms=_OPEN_TIMEOUT_MS,
                linger_ms=5,
                batch_size=262_144,
            )
        message.future = self._producer.send(
            message.topic, key=message.key, value=message.value, headers=message.headers
        )


def _advice(topic: str, error: Exception) -> str:
    if isinstance(error, MessageSizeTooLargeError):
        return f"{topic} refuses a record for its size: raise the topic's max.message.bytes above that of the events"
    return f"{topic} does not acknowledge: {type(error).__name__}; check kafka.bootstrap, the brokers and the topic"
