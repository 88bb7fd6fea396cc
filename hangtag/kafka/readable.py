"""Batches whose reading never fails: what cannot be read comes as a record that holds its bytes.

kafka-python raises for such a batch at every fetch and never gets past it.
"""

import struct
from collections.abc import Iterator
from typing import Any

from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecord
from kafka.record.util import decode_varint

from hangtag.kafka.internals import partition_records_class, raw_batch, unread
from hangtag.kafka.raw_batch import RawBatch

FORMAT_2 = 2


class ReadableRecords(partition_records_class()):  # type: ignore[misc] # kafka-python carries no types
    """kafka-python's reader of one fetched partition, over batches that can always be read."""

    def _unpack_records(self, at: Any, records: Any, *deserializers: Any) -> Any:
        return super()._unpack_records(at, ReadableBatches(records, self.next_fetch_offset), *deserializers)


class ReadableBatches:
    """The batches of a response, each as a `batch_type`."""

    def __init__(self, records: Any, position: int, batch_type: "type[ReadableBatch] | None" = None) -> None:
        self._records = records
        self._position = position
        self._batch_type = batch_type or ReadableBatch
        self._last: ReadableBatch | None = None

    def next_batch(self) -> "ReadableBatch | None":
        """The next batch, None behind the last."""
        try:
            batch = self._records.next_batch()
        except (AssertionError, struct.error) as error:
            # Not even a batch's header, so its offsets are unknown: fetched again, as after any error of the broker.
            msg = f"a batch at offset {self._position} or behind has no readable header: {_why(error)}"
            raise CorruptRecordError(msg) from error
        if self._last is not None:
            # A damaged batch may claim offsets that were read before.
            self._position = max(self._position, self._last.read + 1)
        self._last = None if batch is None else self._batch_type(batch, self._position)
        return self._last


class ReadableBatch:
    """One batch; all but its records is kafka-python's."""

    def __init__(self, batch: Any, position: int) -> None:
        self._batch = batch
        self._position = position
        self.read = position - 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        """The record of a control batch, None if it cannot be read."""
        try:
            return next(self._batch)
        except Exception:  # noqa: BLE001 (whatever the bytes lead to)
            return None

    @property
    def next_offset(self) -> int:
        """Where reading goes on: behind what was asked for and what was read, whatever the batch's header says."""
        return max(int(self._batch.next_offset), self._position + 1, self.read + 1)

    def validate_crc(self) -> bool:
        """True: the checksum is compared when the records are read."""
        return True

    def __iter__(self) -> Iterator[Any]:
        for record in self._records():
            self.read = max(self.read, record.offset)
            yield record

    def _open(self, batch: Any) -> Iterator[Any]:
        """The records of a batch. Raises whatever decompressing does."""
        return iter(batch)

    def _records(self) -> Iterator[Any]:
        batch = self._batch
        last = batch.last_offset if batch.magic == FORMAT_2 else batch.base_offset
        # A batch ends at or behind the offset that was asked for, and begins for us there, whatever its header says.
        first, last = max(batch.base_offset, self._position), max(last, self._position)
        try:
            if not batch.validate_crc():
                yield _marker(batch, raw_batch(batch), first, last, "its checksum does not match", may_pass=True)
                return
            records = self._open(batch)
        except MemoryError:
            raise  # not the batch's fault
        except Exception as error:  # noqa: BLE001
            yield _marker(batch, raw_batch(batch), first, last, _why(error))
            return
        read = batch.base_offset - 1
        try:
            for record in records:
                if not record.validate_crc():
                    yield _marker(batch, record.value or b"", record.offset, record.offset, "its checksum is wrong")
                else:
                    yield record
                read = record.offset
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001
            if batch.magic == FORMAT_2:
                yield from _rest(batch, read, last)
            else:
                yield _marker(batch, raw_batch(batch), max(first, read + 1), last, _why(error))


def _rest(batch: Any, read: int, last: int) -> Iterator[Any]:
    """The records of a batch from the one on that kafka-python could not read, each on its own."""
    left = unread(batch)
    buffer, start = left.buffer, left.start
    for _ in range(left.records):
        try:
            raw, start = _bytes(buffer, start)
        except (ValueError, IndexError) as error:
            yield _marker(batch, buffer[start:], read + 1, last, _why(error))
            return
        try:
            record = _record(batch, raw, range(read + 1, last + 1))
        except (ValueError, IndexError) as error:
            record = _marker(batch, raw, read + 1, read + 1, _why(error))
        yield record
        read = record.offset


def _record(batch: Any, raw: bytes, possible: range) -> Any:
    """A record of format 2, as kafka-python reads it, but for names of headers that are not UTF-8.

    Their wrong bytes become U+FFFD, as in Kafka's own client.
    """
    pos = 1  # attributes
    elapsed, pos = decode_varint(raw, pos)
    delta, pos = decode_varint(raw, pos)
    key, pos = _bytes_or_none(raw, pos)
    value, pos = _bytes_or_none(raw, pos)
    headers, pos = _headers(raw, pos)
    if pos != len(raw) or batch.base_offset + delta not in possible:
        count = len(headers)
        msg = f"a record of {len(raw)} bytes has {count} headers, offset {batch.base_offset + delta}, and ends at {pos}"
        raise ValueError(msg)
    is_broker_time = batch.timestamp_type == batch.LOG_APPEND_TIME
    timestamp = batch.max_timestamp if is_broker_time else batch.first_timestamp + elapsed
    return DefaultRecord(len(raw), batch.base_offset + delta, timestamp, batch.timestamp_type, key, value, headers)


def record_in(batch: Any, key: bytes | None, value: bytes | None, raw_headers: bytes, offset: int) -> Any:
    """A record of format 2 whose parts are known; its time is not read.

    Raises:
        ValueError: the headers are not as long as they say.
        IndexError: likewise.
    """
    headers, pos = _headers(raw_headers, 0)
    if pos != len(raw_headers):
        msg = f"headers of {len(raw_headers)} bytes end at {pos}"
        raise ValueError(msg)
    return DefaultRecord(len(value or b""), offset, batch.max_timestamp, batch.timestamp_type, key, value, headers)


def stand_in(batch: Any, value: bytes, offset: int) -> Any:
    """One record that stands for others, at the offset of the last of them."""
    return DefaultRecord(len(value), offset, batch.max_timestamp, batch.timestamp_type, None, value, [])


def _headers(raw: bytes, pos: int) -> tuple[list[tuple[str, bytes | None]], int]:
    count, pos = decode_varint(raw, pos)
    if count < 0:
        msg = f"a record has {count} headers"
        raise ValueError(msg)
    headers = []
    for _ in range(count):
        name, pos = _bytes(raw, pos)
        text, pos = _bytes_or_none(raw, pos)
        headers.append((name.decode("utf-8", "replace"), text))
    return headers, pos


def _bytes_or_none(raw: bytes, pos: int) -> tuple[bytes | None, int]:
    length, after = decode_varint(raw, pos)
    return (None, after) if length < 0 else _bytes(raw, pos)


def _bytes(raw: bytes, pos: int) -> tuple[bytes, int]:
    length, pos = decode_varint(raw, pos)
    if not 0 <= length <= len(raw) - pos:
        msg = f"a part of {length} bytes does not fit into the {len(raw) - pos} that are left"
        raise ValueError(msg)
    return raw[pos : pos + length], pos + length


def _marker(batch: Any, raw: bytes, first: int, last: int, why: str, *, may_pass: bool = False) -> Any:
    """A record in place of those that cannot be read. Its offset is their last one, so that reading goes on behind."""
    value = RawBatch.of(raw, first, last, why, may_pass=may_pass)
    timestamp = batch.max_timestamp if batch.magic == FORMAT_2 else -1
    return DefaultRecord(len(raw), last, timestamp, batch.timestamp_type, None, value, [])


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
