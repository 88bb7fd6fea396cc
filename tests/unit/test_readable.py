"""Batches that kafka-python cannot read: what can be read of them is, and the rest comes as its bytes."""

import struct
from collections.abc import Sequence

import pytest
from kafka import TopicPartition
from kafka.record import MemoryRecords, MemoryRecordsBuilder
from kafka.record.util import calc_crc32c

from hangtag.kafka.raw_batch import RawBatch
from hangtag.kafka.readable import ReadableRecords

AT = TopicPartition("products.events", 0)
CRC, ATTRIBUTES = 17, 21
GZIP = 1


class Name(str):
    """The name of a header that a producer sends as these bytes."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        return b"\xff" + super().encode()


def batch_of(
    values: Sequence[bytes], offset: int = 0, codec: int = 0, bad_header: int | None = None, magic: int = 2
) -> bytearray:
    builder = MemoryRecordsBuilder(magic, codec, batch_size=1_000_000)
    for number, value in enumerate(values):
        headers = [(Name("trace"), b"1"), ("null", None)] if number == bad_header else []
        builder.append(timestamp=1_000 + number, key=b"k", value=value, headers=headers)
    builder.close()
    raw = bytearray(builder.buffer())
    raw[:8] = struct.pack(">q", offset)
    return raw


def signed(raw: bytearray) -> bytearray:
    raw[CRC:ATTRIBUTES] = struct.pack(">I", calc_crc32c(bytes(raw[ATTRIBUTES:])))
    return raw


def read(*batches: bytes, position: int = 0) -> tuple[list, int]:
    """The records, and the offset that is fetched next."""
    records = ReadableRecords(position, AT, MemoryRecords(b"".join(map(bytes, batches))))
    return records.take(None), records.next_fetch_offset


def seen(records: Sequence) -> list:
    return [(record.offset, "raw" if isinstance(record.value, RawBatch) else record.value) for record in records]


@pytest.mark.parametrize("codec", [0, GZIP])
def test_a_header_whose_name_is_not_utf8_keeps_its_record_and_its_neighbours(codec):
    records, end = read(batch_of([b"a", b"b", b"c"], 5, codec, bad_header=1), batch_of([b"d"], 8))

    assert seen(records) == [(5, b"a"), (6, b"b"), (7, b"c"), (8, b"d")]
    assert records[1].headers == [("\ufffdtrace", b"1"), ("null", None)]
    assert [record.timestamp for record in records] == [1_000, 1_001, 1_002, 1_000]
    assert end == 9


def test_a_batch_with_an_unknown_codec_comes_as_its_bytes_and_the_next_one_is_read():
    unknown = batch_of([b"a", b"b", b"c"], 5)
    unknown[ATTRIBUTES + 1] = 6
    records, end = read(batch_of([b"before"], 4), signed(unknown), batch_of([b"behind"], 8), position=4)

    assert seen(records) == [(4, b"before"), (7, "raw"), (8, b"behind")]
    raw = records[1].value
    assert (bytes(raw), raw.first, raw.last, raw.may_pass) == (bytes(unknown), 5, 7, False)
    assert "compression type: 6" in raw.why
    assert end == 9


def test_a_compressed_batch_that_cannot_be_decompressed_comes_as_its_bytes():
    broken = batch_of([b"a" * 100] * 3, 5, GZIP)
    broken[-6] ^= 0xFF
    records, end = read(signed(broken), batch_of([b"behind"], 8), position=6)

    assert seen(records) == [(7, "raw"), (8, b"behind")]
    assert (records[0].value.first, records[0].value.last) == (6, 7), "offset 5 was read before"
    assert end == 9


def test_a_batch_whose_checksum_is_wrong_may_be_right_when_it_is_fetched_again():
    broken = batch_of([b"a", b"b"], 5)
    broken[-3] ^= 0xFF
    records, end = read(broken, position=5)

    assert seen(records) == [(6, "raw")]
    assert records[0].value.may_pass
    assert end == 7


def test_one_malformed_record_of_a_batch_comes_as_its_bytes_between_the_others():
    raw = batch_of([b"aaaa", b"bbbb", b"cccc"], 5)
    place = raw.index(b"bbbb") - 1
    raw[place] = 0x7E  # its value ends behind the record
    records, end = read(signed(raw), position=5)

    assert seen(records) == [(5, b"aaaa"), (6, "raw"), (7, b"cccc")]
    assert b"bbbb" in records[1].value
    assert end == 8


def test_a_record_that_ends_behind_its_batch_takes_the_rest_with_it():
    raw = batch_of([b"aaaa", b"bbbb", b"cccc"], 5)
    place = raw.index(b"bbbb") - 7
    raw[place] = 0x7E  # the length of the record
    records, end = read(signed(raw), batch_of([b"behind"], 8), position=5)

    assert [offset for offset, _ in seen(records)] == [5, 7, 8]
    assert (records[1].value.first, records[1].value.last) == (6, 7)
    assert end == 9


def test_a_batch_of_an_older_format_is_read_and_comes_as_its_bytes_if_it_is_damaged():
    records, _ = read(batch_of([b"a"], 5, magic=1), position=5)
    assert seen(records) == [(5, b"a")]
    broken = batch_of([b"aaaa"], 5, magic=1)
    broken[-1] ^= 0xFF

    records, end = read(broken, batch_of([b"behind"], 6), position=5)

    assert seen(records) == [(5, "raw"), (6, b"behind")]
    assert end == 7


def test_too_little_memory_is_not_the_fault_of_a_batch(monkeypatch):
    def decode(_):
        raise MemoryError

    monkeypatch.setattr("kafka.record.default_records.gzip_decode", decode)

    with pytest.raises(MemoryError):
        read(batch_of([b"a" * 100] * 3, 5, GZIP), position=5)


def test_reading_in_the_middle_of_a_repaired_batch_returns_only_what_was_asked_for():
    records, end = read(batch_of([b"a", b"b", b"c"], 5, bad_header=0), position=7)

    assert seen(records) == [(7, b"c")]
    assert end == 8
