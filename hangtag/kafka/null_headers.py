"""Headers without a value, which Kafka knows and kafka-python reads, but whose sending its producer refuses.

Its `send` accepts only bytes, and its batch takes their length; what encodes a batch does write a header without a
value. So `NO_VALUE`, which is empty bytes to the former, is replaced by None right before a record is encoded. If a
release of kafka-python no longer encodes records in this place, such headers are sent with an empty value.
"""

from collections.abc import Sequence
from typing import Any

from kafka.producer import record_accumulator
from kafka.record import MemoryRecordsBuilder


class _NoValue(bytes):
    __slots__ = ()


NO_VALUE = _NoValue()


class _Builder(MemoryRecordsBuilder):  # type: ignore[misc] # kafka-python carries no types
    __slots__ = ()

    def append(
        self,
        timestamp: int | None,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] = (),
    ) -> Any:
        """See `MemoryRecordsBuilder.append`."""
        encoded = [(name, None if text is NO_VALUE else text) for name, text in headers]
        return super().append(timestamp, key, value, encoded)


record_accumulator.MemoryRecordsBuilder = _Builder
