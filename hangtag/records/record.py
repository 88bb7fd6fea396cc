"""A Kafka record, independent of the client that read it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

# Kafka distinguishes a header without a value (None) from one with an empty value.
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
        at = Partition(found.topic, found.partition)
        return cls(at, found.offset, found.timestamp, found.key, found.value, tuple(found.headers))

    @property
    def size(self) -> int:
        """Bytes of the record, see `size_of`."""
        return size_of(self.key, self.value, self.headers)


def size_of(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Bytes of a record's key, value and headers, not compressed: the one measure of size."""
    named = sum(len(name.encode("utf-8", "replace")) + len(text or b"") for name, text in headers)
    return len(key or b"") + len(value or b"") + named
