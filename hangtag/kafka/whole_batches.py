"""Batches that are fetched whole: kafka-python takes some 30 microseconds for each record with its headers.

Whoever reads a topic of a million records again takes the batches themselves, and of each record only what it needs.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

from kafka import KafkaConsumer

from hangtag.kafka.internals import opened, partition_records_class, read_with
from hangtag.kafka.readable import FORMAT_2, ReadableBatch, ReadableBatches, record_in, stand_in


class RawRecord(NamedTuple):
    """A record of a batch, its headers as they were sent."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: bytes


class WholeBatch(bytes):
    """The records of a batch, decompressed, as the value of one record that stands for all of them."""

    start: int
    record_count: int
    base_offset: int
    batch: Any

    @classmethod
    def of(cls, batch: Any) -> Self:
        """The records of kafka-python's batch. Raises whatever decompressing does."""
        left = opened(batch)
        found = cls(left.buffer)
        found.start, found.record_count = left.start, left.records
        found.base_offset, found.batch = batch.base_offset, batch
        return found

    def records(self) -> Iterator[RawRecord]:
        """Each record.

        Raises:
            ValueError: the batch ends within a record, or a record is not as long as it says.
            IndexError: likewise.
        """
        pos = self.start
        for _ in range(self.record_count):
            length, pos = _varint(self, pos)
            end = pos + length
            pos += 1  # attributes
            while self[pos] >= _MORE:  # time, counted from that of the batch
                pos += 1
            delta, pos = _varint(self, pos + 1)
            size, pos = _varint(self, pos)
            key = None if size < 0 else self[pos : pos + size]
            pos += max(0, size)
            size, pos = _varint(self, pos)
            value = None if size < 0 else self[pos : pos + size]
            pos += max(0, size)
            if not pos < end <= len(self):
                msg = f"a record of {length} bytes does not fit its content"
                raise ValueError(msg)
            yield RawRecord(self.base_offset + delta, key, value, self[pos:end])
            pos = end

    def plain(self, raw: RawRecord) -> Any:
        """A record as kafka-python would have read it, with its headers.

        Raises:
            ValueError: its headers cannot be read.
            IndexError: likewise.
        """
        return record_in(self.batch, raw.key, raw.value, raw.headers, raw.offset)


class BatchConsumer(KafkaConsumer):  # type: ignore[misc] # kafka-python carries no types
    """A consumer whose records are batches: their values are of `WholeBatch`, or of `RawBatch` if they cannot be read.

    A batch may begin before the position that was asked for. Batches of old formats come as single records.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        read_with(self, _WholeBatches)


class _WholeBatches(partition_records_class()):  # type: ignore[misc] # kafka-python carries no types
    def _unpack_records(self, at: Any, records: Any, *deserializers: Any) -> Any:
        batches = ReadableBatches(records, self.next_fetch_offset, _Batch)
        return super()._unpack_records(at, batches, *deserializers)


class _Batch(ReadableBatch):
    def _open(self, batch: Any) -> Iterator[Any]:
        if batch.magic != FORMAT_2:
            return iter(batch)
        whole = WholeBatch.of(batch)
        return iter([stand_in(batch, whole, batch.last_offset)])


_MORE = 0x80


def _varint(buffer: bytes, pos: int) -> tuple[int, int]:
    byte = buffer[pos]
    pos += 1
    if byte < _MORE:
        return byte >> 1 ^ -(byte & 1), pos
    number, shift = byte & 0x7F, 7
    while True:
        byte = buffer[pos]
        pos += 1
        number |= (byte & 0x7F) << shift
        if byte < _MORE:
            return number >> 1 ^ -(number & 1), pos
        shift += 7
