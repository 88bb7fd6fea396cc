"""A Kafka record, independent of the client that read it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

Headers = Sequence[tuple[str, bytes | None]]


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int


class Record(NamedTuple):
    """A record as it was read. `timestamp_ms` is -1 if the broker has none; `value` is None for a tombstone."""

    partition: Partition
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @classmethod
    def of(cls, found: Any) -> Self:
        """The record that kafka-python's `ConsumerRecord` holds."""
        headers = tuple((name, value) for name, value in found.headers)
        at = Partition(found.topic, found.partition)
        return cls(at, found.offset, found.timestamp, found.key, found.value, headers)

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return len(self.value or b"")
