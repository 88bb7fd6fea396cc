"""Fetched batches of Kafka records, whole, damaged or foreign, with or without a checksum that matches."""

from kafka import TopicPartition
from kafka.errors import CorruptRecordError
from kafka.record import MemoryRecords

from hangtag.kafka.raw_batch import RawBatch
from hangtag.kafka.readable import ReadableRecords
from hangtag.records import Record, size_of
from tests.fuzz.contract import require
from tests.unit.test_readable import batch_of, signed

_AT = TopicPartition("products.events", 0)
_POSITION = 5
_MAGIC_AT, _MAGIC = 16, 2
# The first offset and the length, which does not count itself.
_OVERHEAD = 12
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
    """Read all records from an offset on; reading never raises, and what it returns goes on behind."""
    raw = bytearray(data[1:])
    if data and data[0] % 2 and len(raw) >= _LEAST and raw[_MAGIC_AT] == _MAGIC:
        signed(raw)
    try:
        batches = MemoryRecords(bytes(raw))
        records = ReadableRecords(_POSITION, _AT, batches)
        taken = records.take(None)
    except CorruptRecordError as error:
        # Not even a header of a batch. The broker is asked again.
        return type(error).__name__
    if _formats(raw) != {_MAGIC}:
        return "an older format"  # offsets are outside its checksums, so that damage can make them anything
    require(records.next_fetch_offset >= _POSITION, "reading goes back")
    require(not taken or records.next_fetch_offset > taken[-1].offset, "the same records are fetched again")
    for each in taken:
        record = Record.of(each)
        require(size_of(record.key, record.value, record.headers) == record.size, "the size of a record")
    return f"{sum(isinstance(each.value, RawBatch) for each in taken)} raw of {len(taken)}"


def _formats(raw: bytearray) -> set[int]:
    """The formats of the batches."""
    found, at = set(), 0
    while at + _MAGIC_AT < len(raw):
        found.add(raw[at + _MAGIC_AT])
        at += _OVERHEAD + max(0, int.from_bytes(raw[at + 8 : at + _OVERHEAD], "big", signed=True))
    return found
