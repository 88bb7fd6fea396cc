"""Records of `products.tagged`, as a rebuild and the readers of its end read them."""

from hangtag.records import decode_tags
from hangtag.store import Entry
from hangtag.store.value import pack, unpack_entry
from hangtag.text.limits import MAX_ID_BYTES
from hangtag.write import TaggedRecordError, entry_of, record_of
from tests.fuzz.contract import refused, require
from tests.fuzz.pieces import Pieces, optional
from tests.fuzz.targets.stored_values import TAGS

NAMES = ("version", "sequence", "revision", "bundle_version", "text_hash", "source", "", "x")


def record(key: bytes | None, headers: dict[str, bytes | None], value: bytes | None) -> bytes:
    parts = [optional(key), bytes([len(headers)])]
    parts += [bytes([NAMES.index(name)]) + optional(text) for name, text in headers.items()]
    return b"".join([*parts, b"\x00" if value is None else b"\x01" + value])


_HEADERS = {name.removeprefix("hangtag."): text for name, text in record_of(Entry("sku-1", 3, TAGS)).headers[:-1]}
SEEDS = (
    record(b"sku-1", _HEADERS, TAGS),
    record(b"sku-1", {"version": b"7"}, None),
    record(b"sku-1", {}, TAGS),
    record(b"sku-1", _HEADERS | {"version": b"9223372036854775808"}, TAGS),
    record(b"sku-1", _HEADERS | {"version": b" +1_0 ", "text_hash": b"ab cd"}, TAGS),
    record(b"sku-1", _HEADERS | {"version": b"9" * 99, "revision": b"-1"}, TAGS),
    record(b"sku-1", _HEADERS | {"bundle_version": b"xyz"}, TAGS),
    record(b"\xff", {"version": b"1"}, None),
    record(None, {"version": b"\xff"}, b"\x0a\x02\xff\xfe"),
    record(b"k" * 250, {"text_hash": "\u0661".encode(), "sequence": "\u0661".encode()}, TAGS),
)


def target(data: bytes) -> str:
    """Read a record; the entry can be stored, and its own record is read as the same entry."""
    pieces = Pieces(data)
    key = pieces.part_or_none()
    headers = [
        (f"hangtag.{NAMES[pieces.number(1) % len(NAMES)]}", pieces.part_or_none())
        for _ in range(pieces.number(1) % (len(NAMES) + 1))
    ]
    value = pieces.rest() if pieces.number(1) else None
    try:
        entry = entry_of(key, value, headers)
    except TaggedRecordError as error:
        return refused(error, value or b"")
    require(1 <= len(entry.product_id.encode()) <= MAX_ID_BYTES, "the id is empty or too long")
    require(unpack_entry(entry.product_id, pack(entry)) == entry, "the store reads another entry")
    if entry.is_deletion:
        require(entry_of(*record_of(entry)).rank == entry.rank, "its record is read as another entry")
        return "deletion"
    decode_tags(entry.payload)
    again = entry_of(*record_of(entry))
    require((again.payload, again.rank) == (entry.payload, entry.rank), "its record is read as another entry")
    return "tags"
