"""Fetched batches of Kafka records, whole, damaged or foreign, with or without a checksum that matches."""

from kafka import TopicPartition
from kafka.record import MemoryRecords
from kafka.record.util import calc_crc32c

from hangtag.kafka.raw_batch import RawBatch
from hangtag.kafka.readable import ReadableRecords
from hangtag.records import Record, size_of
from tests.fuzz.contract import require
from tests.unit.test_readable import batch_of, signed

_AT = TopicPartition("products.events", 0)
_ATTRIBUTES = 21
_MAGIC_AT = 16
_LEAST = 61

SEEDS = tuple(
    bytes([is_signed, *batch])
    for is_signed in (0, 1)
    for batch in (
        batch_of([b"a", b"b", b"c"], 5),
        batch_of([b"a", b"b"], 5, codec=1),
        batch_of([b"a", b"b"], 5, bad_header=1),
        batch_of([b"a", b"b"], 5, magic=1),
        batch_of([b"a", b"b"], 5, magic=0),
        batch_of([b"a", b""], 5, codec=4) + batch_of([b"d"], 9),
        signed(bytearray(batch_of([b"a", b"b"], 5))[:-4]),
    )
)


def target(data: bytes) -> str:
    """Read all records from offset 5 on; reading never raises, and what it returns goes on behind."""
    raw = bytearray(data[1:])
    if data and data[0] % 2 and len(raw) >= _LEAST and raw[_MAGIC_AT] == 2:
        signed(raw)
    try:
        batches = MemoryRecords(bytes(raw))
        records = ReadableRecords(5, _AT, batches)
    except Exception as error:  # what the fetcher makes of a response that is not one of batches
        return type(error).__name__
    taken = records.take(None)
    require(not taken or records.next_fetch_offset > taken[-1].offset, "the same records are fetched again")
    for each in taken:
        record = Record.of(each)
        require(size_of(record.key, record.value, record.headers) == record.size, "the size of a record")
    return f"{sum(isinstance(each.value, RawBatch) for each in taken)} raw of {len(taken)}"
