"""Produces tags and dead letters with kafka-python."""

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from kafka.errors import InvalidRecordError, KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from hangtag.kafka.options import kafka_options
from hangtag.kafka.producer import Producer
from hangtag.records import OWN_HEADERS, DeadLetter, KeptText, KeptVector, Record, dead_letter_of, size_of
from hangtag.settings import KafkaSettings
from hangtag.store import Entry
from hangtag.telemetry import get_log
from hangtag.write.product_record import ProductRecord
from hangtag.write.sink import Reason, SinkError
from hangtag.write.tagged_record import TaggedRecord, record_of
from hangtag.write.text_record import text_record_of
from hangtag.write.vector_record import vector_record_of

_OPEN_TIMEOUT_MS = 5_000
# A dead letter that is larger before compression is truncated: it would take too long to compress and to send.
_MAX_LETTER_BYTES = 16 * 1_048_576
# What is sent at once: on a slow machine compression must not use up the time for the acknowledgements.
_CHUNK_BYTES = 8 * 1_048_576
# What the client refuses by itself; with room for the format.
_MAX_REQUEST_BYTES = _MAX_LETTER_BYTES + 1_048_576
# Sizes are estimates: what comes this close to a refused one would be refused too.
_SAME_SIZE = 0.98
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)

_Content = TaggedRecord | ProductRecord | DeadLetter

_log = get_log(__name__)


@dataclass(slots=True, eq=False)
class _Message:
    topic: str
    content: _Content
    future: Any = None

    @property
    def size(self) -> int:
        """Bytes before compression, without the few that the format adds."""
        return size_of(self.content.key, self.content.value, self.content.headers)

    @property
    def compressed_size(self) -> int:
        """Bytes after compression, about; what compression makes larger is sent as it is."""
        value = self.content.value or b""
        return self.size - len(value) + min(len(value), len(zlib.compress(value, 9)))

    def shorten(self) -> bool:
        """Leave something of a dead letter out. False: it is none, or there is nothing to leave out."""
        shorter = self.content.shortened() if isinstance(self.content, DeadLetter) else None
        if shorter is None:
            return False
        self.content = shorter
        return True


class KafkaSink:
    """Idempotent producers, one per topic, opened when first needed.

    A `flush` waits about `flush_timeout_s` at most, for each 8 MiB that it delivers.

    Dead letters are compressed, since their records may have been, with gzip, which every client of Kafka reads; texts
    and vectors with zstd, which is faster. A dead letter that the topic refuses for its size is truncated until the
    topic takes it.
    """

    def __init__(self, settings: KafkaSettings, client_id: str = "hangtag-worker", flush_timeout_s: float = 5) -> None:
        self._settings = settings
        self._client_id = client_id
        self._flush_timeout_s = flush_timeout_s
        self._producers: dict[str, Producer] = {}
        self._unacknowledged: list[_Message] = []
        # The smallest compressed size that the topic of dead letters has refused since all were delivered.
        self._refused_size: int | None = None

    def tagged(self, entry: Entry) -> None:
        """See `RecordSink`."""
        self._unacknowledged.append(_Message(self._settings.tagged_topic, record_of(entry)))

    def text(self, kept: KeptText) -> None:
        """See `RecordSink`."""
        self._unacknowledged.append(_Message(self._settings.texts_topic, text_record_of(kept)))

    def vector(self, kept: KeptVector) -> None:
        """See `RecordSink`."""
        self._unacknowledged.append(_Message(self._settings.vectors_topic, vector_record_of(kept)))

    def dead_letter(self, record: Record, reason: Reason, bundle_version: str) -> None:
        """See `RecordSink`."""
        letter = dead_letter_of(
            record,
            group=self._settings.group,
            stage=reason.stage,
            error=reason.error,
            message=reason.message,
            attempts=reason.attempts,
            bundle_version=bundle_version,
        )
        message = _Message(self._settings.dead_letter_topic, letter)
        while message.size > _MAX_LETTER_BYTES and message.shorten():
            pass
        self._unacknowledged.append(message)

    def retract_tags(self) -> None:
        """See `RecordSink`."""
        self._unacknowledged = [each for each in self._unacknowledged if isinstance(each.content, DeadLetter)]

    def flush(self) -> None:
        """See `RecordSink`. After an error nothing is in flight: new producers send what is still queued."""
        self._shorten_like_refused()
        while chunk := self._next_chunk():
            errors = self._deliver(chunk)
            is_refused = any(isinstance(error, _TOO_LARGE) for _, error in errors)
            if is_refused and (letters := self._undelivered_letters(chunk)):
                # The refusal of one record fails others that are in flight, so one goes alone to find out which sizes
                # are refused.
                self._deliver_letter(max(letters, key=lambda letter: letter.size))
                self._shorten_like_refused()
            else:
                _raise_first(errors)
        self._refused_size = None

    def close(self) -> None:
        """See `RecordSink`."""
        for producer in self._producers.values():
            producer.abandon()
        self._producers.clear()

    def _next_chunk(self) -> list[_Message]:
        """The oldest messages, few enough to be compressed and sent in time."""
        sizes = accumulate(message.size for message in self._unacknowledged)
        return [
            message
            for message, total in zip(self._unacknowledged, sizes, strict=True)
            if total <= _CHUNK_BYTES or message is self._unacknowledged[0]
        ]

    def _undelivered_letters(self, chunk: Sequence[_Message]) -> list[_Message]:
        queued = set(map(id, self._unacknowledged))
        return [each for each in chunk if isinstance(each.content, DeadLetter) and id(each) in queued]

    def _shorten_like_refused(self) -> None:
        """Truncate letters to less than what was refused, so that each size is refused only once."""
        if self._refused_size is not None:
            most = self._refused_size * _SAME_SIZE
            for letter in self._unacknowledged:
                # What is small enough before compression need not be compressed.
                while letter.size > most and letter.compressed_size > most and letter.shorten():
                    pass

    def _deliver_letter(self, message: _Message) -> None:
        """Deliver one dead letter, truncated if it has to be. What was left out stays so when this is called again."""
        while errors := self._deliver([message]):
            if not isinstance(errors[0][1], _TOO_LARGE):
                _raise_first(errors)
            size = message.compressed_size
            self._refused_size = size if self._refused_size is None else min(size, self._refused_size)
            if not message.shorten():
                _raise_first(errors)

    def _deliver(self, messages: Sequence[_Message]) -> list[tuple[str, Exception]]:
        """Send messages and wait for the acknowledgements; returns the errors, each with its topic.

        Messages that are acknowledged leave the queue. After an error the producers are closed.
        """
        deadline = time.monotonic() + self._flush_timeout_s
        errors: list[tuple[str, Exception]] = []
        for message in messages:
            try:
                self._send(message)
            except _TOO_LARGE as error:
                errors.append((message.topic, error))
            except (KafkaError, ValueError, TypeError) as error:
                errors.append((message.topic, error))
                break
        delivered = set()
        for message in messages:
            if message.future is None:
                continue
            try:
                message.future.get(timeout=max(0.0, deadline - time.monotonic()))
                delivered.add(id(message))
                _log_truncation(message.content)
            except KafkaError as error:
                errors.append((message.topic, error))
        self._unacknowledged = [message for message in self._unacknowledged if id(message) not in delivered]
        if errors:
            self.close()
            for message in messages:
                message.future = None
        return errors

    def _send(self, message: _Message) -> None:
        content = message.content
        producer = self._producers.get(message.topic)
        if producer is None:
            producer = self._producers[message.topic] = Producer(
                **kafka_options(self._settings, self._client_id),
                metrics_enabled=False,
                acks="all",
                compression_type=_compression(content),
                max_request_size=_MAX_REQUEST_BYTES,
                max_block_ms=_OPEN_TIMEOUT_MS,
                bootstrap_timeout_ms=_OPEN_TIMEOUT_MS,
                linger_ms=5,
                batch_size=262_144,
            )
        message.future = producer.send(
            message.topic, key=content.key, value=content.value, headers=list(content.headers)
        )


def _compression(content: _Content) -> str | None:
    if isinstance(content, DeadLetter):
        return "gzip"
    return "zstd" if isinstance(content, ProductRecord) else None


def _log_truncation(content: _Content) -> None:
    sent = {name.removeprefix(OWN_HEADERS): (text or b"").decode("utf-8", "replace") for name, text in content.headers}
    if isinstance(content, DeadLetter) and "truncated" in sent:
        place = f"{sent['topic']}-{sent['partition']}@{sent['offset']}"
        _log.warning("dead_letter_truncated", record=place, left_out=sent["truncated"], bytes=sent.get("record_bytes"))


def _raise_first(errors: Sequence[tuple[str, Exception]]) -> None:
    if errors:
        topic, error = errors[0]
        raise SinkError(_advice(topic, error)) from error


def _advice(topic: str, error: Exception) -> str:
    if isinstance(error, _TOO_LARGE):
        return (
            f"{topic} refuses even a record that holds only its headers for its size: "
            "raise the topic's max.message.bytes to at least 16384"
        )
    if isinstance(error, InvalidRecordError):
        return (
            f"{topic} refuses a record: its cleanup.policy must be delete if it holds dead letters (some have no key)"
        )
    return f"{topic} does not acknowledge: {type(error).__name__}; check kafka.bootstrap, the brokers and the topic"
