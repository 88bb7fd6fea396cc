"""The values of a product's two keys.

That of its tags is a header of 50 bytes, then the serialised `ProductTags` as it is:

    byte 0        format
    bytes 1-8     product version
    byte 9        0: tags, 1: the product is deleted
    bytes 10-17   bundle sequence
    bytes 18-25   revision of people's decisions
    bytes 26-33   first 8 bytes of the bundle's version
    bytes 34-49   hash of the cleaned text and its language

Its mark says what was received and is not stored yet, in 29 bytes:

    byte 0        format of marks
    bytes 1-8     newest version that was received
    bytes 9-16    newest version that became a dead letter, 0: none
    bytes 17-20   partition of the event of the received version, -1: not known
    bytes 21-28   its offset, -1: not known

Numbers are big-endian, so the byte order of bytes 1 to 25 of the header is the order of `Rank`. A mark of 8 bytes, as
earlier releases wrote it, is the received version alone.
"""

import struct
from typing import NamedTuple

from hangtag.store.entry import Entry
from hangtag.store.stored import Seen, Stored
from hangtag.text.limits import MAX_VERSION

FORMAT = 2
MARK_FORMAT = 1
VERSION_BYTES = 8

_HEADER = struct.Struct(">BQBQQ8s16s")
HEADER_BYTES = _HEADER.size
# What the header begins with. The numbers are below 2^63, so together they are too.
_NUMBERS = struct.Struct(">BQBQQ")
_MARK = struct.Struct(">BQQiq")
MARK_BYTES = _MARK.size


class Origin(NamedTuple):
    """What tags were made by: a place in the order of releases, and the first 8 bytes of a bundle's version in hex."""

    sequence: int
    bundle_prefix: str


def origin_of(value: bytes) -> Origin | None:
    """What made the tags of a value, or of its header and one byte more; None: it has no tags."""
    numbers = _numbers_of(value)
    if numbers is None or len(value) == HEADER_BYTES:
        return None
    return Origin(numbers[1], _HEADER.unpack_from(value)[5].hex())


def pack(entry: Entry) -> bytes:
    """An entry as the value of its key."""
    header = _HEADER.pack(
        FORMAT,
        entry.version,
        entry.is_deletion,
        entry.sequence,
        entry.revision,
        entry.bundle_prefix,
        entry.text_hash,
    )
    return header + entry.payload


def unpack_entry(product_id: str, value: bytes | None) -> Entry | None:
    """The entry in a product's key. None if there is none, or the value is not a complete value of this format."""
    if value is None or _numbers_of(value) is None:
        return None
    _, version, _, sequence, revision, prefix, text = _HEADER.unpack_from(value)
    return Entry(product_id, version, value[HEADER_BYTES:], prefix, sequence, revision, text)


def pack_mark(seen: Seen) -> bytes:
    """What is known of received versions as the value of a product's mark."""
    return _MARK.pack(MARK_FORMAT, *seen)


def unpack_mark(value: bytes | None) -> Seen | None:
    """What a mark says. None if there is none, or the value is not a mark of this format or of earlier releases."""
    if value is None:
        return None
    if len(value) == VERSION_BYTES:
        version = int.from_bytes(value, "big")
        return Seen(version) if version <= MAX_VERSION else None
    if len(value) != MARK_BYTES or value[0] != MARK_FORMAT:
        return None
    seen = Seen(*_MARK.unpack(value)[1:])
    return seen if seen.refused <= seen.version <= MAX_VERSION else None


def unpack(value: bytes | None, mark: bytes | None) -> Stored:
    """What the two keys of a product hold, read as far as a look-up needs it.

    A value that is not a complete value of this format counts as no value.
    """
    seen = None if mark is None else unpack_mark(mark)
    if value is None or (numbers := _numbers_of(value)) is None:
        return Stored(b"", None, seen)
    return Stored(value[HEADER_BYTES:], numbers[0], seen, numbers[1])


def _numbers_of(value: bytes) -> tuple[int, int] | None:
    """Version and sequence in a value; None if no program of this format can have written it, as the scripts check."""
    if len(value) < HEADER_BYTES:
        return None
    form, version, is_deletion, sequence, revision = _NUMBERS.unpack_from(value)
    is_complete = (
        form == FORMAT and is_deletion == (len(value) == HEADER_BYTES) and version | sequence | revision <= MAX_VERSION
    )
    return (version, sequence) if is_complete else None
