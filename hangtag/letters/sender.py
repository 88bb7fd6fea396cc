"""Sends dead letters again, and writes what became of them."""

import time
from collections.abc import Sequence
from typing import NamedTuple, Self

from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from hangtag.kafka.options import kafka_options
from hangtag.kafka.producer import Producer
from hangtag.letters.errors import LetterError
from hangtag.letters.letter import Letter
from hangtag.letters.place import Place
from hangtag.letters.resolution import REPLAYED, Resolution
from hangtag.records import OWN_HEADERS, Headers, Record, Replay
from hangtag.settings import KafkaSettings

_DELIVER_WITHIN_S = 30
_OPEN_TIMEOUT_MS = 10_000
# The client's own limit must not be below what a topic may take.
_MAX_REQUEST_BYTES = 17 * 1_048_576
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class _Message(NamedTuple):
    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers


class LetterSender:
    """An idempotent producer for the events and for the resolutions; a context manager for one thread.

    `by` is who handles the letters, `reason` why. Of a letter that is sent again, the resolution is written once the
    event is acknowledged: whoever is interrupted in between sends the event a second time, which changes nothing,
    because newer wins.
    """

    def __init__(self, settings: KafkaSettings, by: str, reason: str) -> None:
        self._settings, self._by, self._reason = settings, by, reason
        self._producer: Producer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # After an error or Ctrl-C do not wait for records that are still in the buffer.
        self._abandon()

    def replay(self, records: Sequence[Record], now_ms: int) -> dict[Place, str]:
        """Send letters to the events again; returns the places of those that the topic refuses, with the reason.

        Raises:
            LetterError: the brokers do not acknowledge; some of the records may have been sent.
        """
        letters = [Letter.of(record) for record in records]
        events = [self._event(record, letter, now_ms) for record, letter in zip(records, letters, strict=True)]
        refused = self._deliver(events)
        sent = [record for number, record in enumerate(records) if number not in refused]
        self.resolve(sent, REPLAYED, now_ms)
        return {letters[number].place: reason for number, reason in refused.items()}

    def resolve(self, records: Sequence[Record], what: str, now_ms: int) -> None:
        """Write that letters are handled, each in the letter's own partition with its key.

        Raises:
            LetterError: the brokers do not acknowledge, or the topic refuses a resolution.
        """
        topic = self._settings.dead_letter_topic
        resolutions = [
            _Message(
                topic,
                record.partition.number,
                record.key,
                b"",
                Resolution(what, Letter.of(record).place, self._by, now_ms, self._reason).headers(),
            )
            for record in records
        ]
        if refused := self._deliver(resolutions):
            msg = f"{topic} refuses a resolution: {next(iter(refused.values()))}"
            raise LetterError(msg)

    def _event(self, record: Record, letter: Letter, now_ms: int) -> _Message:
        before = 0 if letter.replay is None else letter.replay.times
        replay = Replay(self._by, now_ms, str(letter.place), letter.timestamp_ms, before + 1)
        own = [each for each in record.headers if not each[0].startswith(OWN_HEADERS)]
        topic = self._settings.events_topic
        return _Message(topic, None, record.key, record.value, [*own, *replay.headers()])

    def _deliver(self, messages: Sequence[_Message]) -> dict[int, str]:
        """Send messages and wait until they are acknowledged; returns the numbers of those that are too large.

        The refusal of one record fails others that are in flight, so after one each of the rest goes alone.
        """
        errors = self._try(messages)
        refused = {}
        if any(isinstance(error, _TOO_LARGE) for error in errors.values()):
            for number in errors:
                alone = self._try([messages[number]])
                if isinstance(alone.get(0), _TOO_LARGE):
                    refused[number] = f"{messages[number].topic} refuses it for its size (max.message.bytes)"
                else:
                    self._raise_first(messages, alone)
        else:
            self._raise_first(messages, errors)
        return refused

    def _raise_first(self, messages: Sequence[_Message], errors: dict[int, Exception]) -> None:
        for number, error in errors.items():
            cause = f"{type(error).__name__}: {error}".rstrip(": ")
            msg = (
                f"{messages[number].topic} at {self._settings.bootstrap} does not acknowledge ({cause}); check the "
                "brokers and the topic"
            )
            raise LetterError(msg) from error

    def _try(self, messages: Sequence[_Message]) -> dict[int, Exception]:
        """Send messages once; returns the errors by the messages' numbers. After an error nothing is in flight."""
        deadline = time.monotonic() + _DELIVER_WITHIN_S
        errors: dict[int, Exception] = {}
        futures = {}
        for number, message in enumerate(messages):
            try:
                futures[number] = self._open().send(
                    message.topic,
                    value=message.value,
                    key=message.key,
                    headers=message.headers,
                    partition=message.partition,
                )
            except _TOO_LARGE as error:
                errors[number] = error
            except KafkaError as error:
                errors |= dict.fromkeys(range(number, len(messages)), error)
                break
        for number, future in futures.items():
            try:
                future.get(timeout=max(0.0, deadline - time.monotonic()))
            except KafkaError as error:
                errors[number] = error
        if errors:
            self._abandon()
        return errors

    def _open(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(
                **kafka_options(self._settings, "hangtag-cli"),
                acks="all",
                enable_idempotence=True,
                # As the dead letters: a record that its sender compressed need not fit otherwise.
                compression_type="gzip",
                max_request_size=_MAX_REQUEST_BYTES,
                max_block_ms=_OPEN_TIMEOUT_MS,
                bootstrap_timeout_ms=_OPEN_TIMEOUT_MS,
                allow_auto_create_topics=False,
                linger_ms=5,
                batch_size=262_144,
            )
        return self._producer

    def _abandon(self) -> None:
        if self._producer is not None:
            self._producer.abandon()
            self._producer = None
