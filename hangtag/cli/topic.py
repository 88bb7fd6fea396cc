"""Reads a topic without a consumer group: nothing is committed and no other reader is affected."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Self

from hangtag.cli.errors import CommandError
from hangtag.kafka.options import kafka_options
from hangtag.settings import KafkaSettings

_QUIET_MS = 700
_MAX_RECORDS = 4_000
# Under constant traffic there is no quiet moment.
_PAST_END_S = 2.0
_COMMIT_TIMEOUT_MS = 3_000


class TopicReader:
    """Reads all partitions of one topic; a context manager for one thread.

    It starts at the beginning, or with `last`, that many records before each partition's end (0: new records only).
    `begins` and `starts` have the first offset of each partition and the one that it starts at, by partition number.
    With a `group` it can commit offsets, for those who look at the lag of groups; it is no member of the group.

    Raises:
        CommandError: no broker answers, or there is no such topic.
    """

    def __init__(self, settings: KafkaSettings, topic: str, last: int | None = None, group: str | None = None) -> None:
        from kafka import TopicPartition  # noqa: PLC0415
        from kafka.errors import KafkaError  # noqa: PLC0415

        from hangtag.kafka.consumer import Consumer  # noqa: PLC0415

        with connecting(settings):
            self._consumer = Consumer(
                **kafka_options(settings, "hangtag-cli"),
                group_id=group,
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                auto_offset_reset="earliest",
                bootstrap_timeout_ms=5_000,
            )
        try:
            numbers = sorted(self._consumer.partitions_for_topic(topic) or ())
            partitions = [TopicPartition(topic, number) for number in numbers]
            if not partitions:
                self._consumer.close()
                msg = f"no topic {topic} at {settings.bootstrap}; `hangtag up` creates the topics that are missing"
                raise CommandError(msg)
            self._consumer.assign(partitions)
            self._ends: dict[Any, int] = self._consumer.end_offsets(partitions)
            self._topic, self._begins = topic, self._consumer.beginning_offsets(partitions)
            self.begins = {each.partition: offset for each, offset in self._begins.items()}
            self.starts: dict[int, int] = {}
            self.start_at({} if last is None else {at.partition: end - last for at, end in self._ends.items()})
        except KafkaError as error:
            raise CommandError(no_kafka(settings, reason_of(error))) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def start_at(self, offsets: Mapping[int, int]) -> None:
        """Go on from these offsets, by partition; from the beginning where none is given.

        An offset behind the end is read from the beginning too: the broker refuses it, and the reader is reset.
        """
        self._total = 0
        for at, begin in self._begins.items():
            start = max(begin, offsets.get(at.partition, begin))
            self._consumer.seek(at, start)
            self.starts[at.partition] = start
            self._total += max(0, self._ends[at] - start)

    def renew_ends(self) -> None:
        """Let the end be the present one."""
        self._ends = self._consumer.end_offsets(list(self._ends))

    def positions(self) -> dict[int, int]:
        """The next offset to read of each partition."""
        return {at.partition: self._consumer.position(at) for at in self._ends}

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit the next offsets to read, by partition, if the brokers take them."""
        from kafka import OffsetAndMetadata, TopicPartition  # noqa: PLC0415
        from kafka.errors import KafkaError  # noqa: PLC0415

        found = {TopicPartition(self._topic, number): OffsetAndMetadata(offset) for number, offset in offsets.items()}
        with suppress(KafkaError):
            self._consumer.commit(found, timeout_ms=_COMMIT_TIMEOUT_MS)

    @property
    def remaining(self) -> int:
        """The number of offsets up to the end."""
        return sum(max(0, end - self._consumer.position(at)) for at, end in self._ends.items())

    @property
    def total(self) -> int:
        """The number of offsets between the start and the end when the reader was opened."""
        return self._total

    def new(self, wait_ms: int = 0) -> list[Any]:
        """Records since the last call, in the order of each partition; waits up to `wait_ms` for the first."""
        polled = self._consumer.poll(timeout_ms=wait_ms, max_records=_MAX_RECORDS)
        return [record for records in polled.values() for record in records]

    def until_end(self) -> list[Any]:
        """Every record up to the end. Errors: as `chunks_until_end`."""
        return [record for chunk in self.chunks_until_end() for record in chunk]

    def chunks_until_end(self, patience_s: float = 60) -> Iterator[list[Any]]:
        """The records up to the end, as they are fetched.

        The end is the end offset followed by a quiet moment, since the end offset of some brokers trails, or by two
        seconds of new records.

        Raises:
            CommandError: nothing was fetched for `patience_s` though the end is not reached.
        """
        give_up = time.monotonic() + patience_s
        end_by = None
        while True:
            records = self.new(_QUIET_MS)
            now = time.monotonic()
            if records:
                yield records
                give_up = time.monotonic() + patience_s  # whoever takes them may have waited long
            if all(self._consumer.position(each) >= end for each, end in self._ends.items()):
                end_by = now + _PAST_END_S if end_by is None else end_by
                if not records or now > end_by:
                    return
            else:
                _check_patience(give_up, patience_s)

    def chunks_between(
        self, number: int, first: int, behind: int, chunk: int = 1_000, patience_s: float = 60
    ) -> Iterator[list[Any]]:
        """The records of one partition from the offset `first` to before `behind`, at most `chunk` at a time.

        Afterwards the reader is only good for this method. Errors: as `chunks_until_end`.
        """
        from kafka import TopicPartition  # noqa: PLC0415

        at = TopicPartition(self._topic, number)
        self._consumer.assign([at])
        self._consumer.seek(at, first)
        give_up = time.monotonic() + patience_s
        while self._consumer.position(at) < behind:
            polled = self._consumer.poll(timeout_ms=_QUIET_MS, max_records=chunk)
            records = [record for record in polled.get(at, ()) if record.offset < behind]
            if not polled:
                _check_patience(give_up, patience_s)
            if records:
                yield records
            if polled:
                give_up = time.monotonic() + patience_s


def _check_patience(give_up: float, patience_s: float) -> None:
    if time.monotonic() > give_up:
        msg = f"the brokers sent nothing for {patience_s:.0f} s; check that they run, and try again"
        raise CommandError(msg)


def reason_of(error: Exception) -> str:
    """The class of an error and its message, each once."""
    name, message = type(error).__name__, str(error)
    return message if name in message else f"{name}: {message}".rstrip(": ")


@contextmanager
def connecting(settings: KafkaSettings) -> Iterator[None]:
    """Around the opening of a client.

    Raises:
        CommandError: the settings cannot work, or no connection comes about; the message says why.
    """
    from kafka.errors import KafkaError  # noqa: PLC0415

    from hangtag.kafka.trouble import KafkaSettingsError, check_settings, watching  # noqa: PLC0415

    with watching(settings) as trouble:
        try:
            check_settings(settings)
            yield
        except KafkaSettingsError as error:
            raise CommandError(str(error)) from error
        except KafkaError as error:
            raise CommandError(no_kafka(settings, trouble.explain(error))) from error


def no_kafka(settings: KafkaSettings, reason: str) -> str:
    """The message for brokers that do not answer."""
    return (
        f"no Kafka at {settings.bootstrap} ({reason}): start one with `hangtag up` or `hangtag demo`, "
        "or name yours with HANGTAG_KAFKA__BOOTSTRAP=host:port"
    )
