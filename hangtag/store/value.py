"""The value of a product's key: a header of 50 bytes, then the serialised `ProductTags` as it is.

    byte 0        format
    bytes 1-8     product version
    byte 9        0: tags, 1: the product is deleted
    bytes 10-17   bundle sequence
    bytes 18-25   revision of people's decisions
    bytes 26-33   first 8 bytes of the bundle's version
    bytes 34-49   hash of the cleaned text and its language

Numbers are big-endian, so the byte order of bytes 1 to 25 is the order of `Rank`.
"""

import struct

from hangtag.store.entry import Entry
from hangtag.store.stored import Stored

FORMAT = 2
VERSION_BYTES = 8

_HEADER = struct.Struct(">BQBQQ8s16s")
HEADER_BYTES = _HEADER.size
_FIRST_BIT = 0x80
_IS_DELETION = 9


def pack_version(version: int) -> bytes:
    """A version as 8 bytes whose byte order is number order."""
    return version.to_bytes(VERSION_BYTES, "big")


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
    if value is None or not _is_complete(value):
        return None
    _, version, _, sequence, revision, prefix, text = _HEADER.unpack_from(value)
    return Entry(product_id, version, value[HEADER_BYTES:], prefix, sequence, revision, text)


def unpack(value: bytes | None, seen: bytes | None) -> Stored:
    """What the two keys of a product hold, read as far as a look-up needs it.

    A value that is not a complete value of this format counts as no value.
    """
    seen_version = int.from_bytes(seen, "big") if seen is not None and len(seen) == VERSION_BYTES else None
    if value is None or not _is_complete(value):
        return Stored(b"", None, seen_version)
    return Stored(value[HEADER_BYTES:], int.from_bytes(value[1 : 1 + VERSION_BYTES], "big"), seen_version)


def _is_complete(value: bytes) -> bool:
    """Whether a program of this format can have written it. The script that writes makes the same checks."""
    return (
        len(value) >= HEADER_BYTES
        and value[0] == FORMAT
        and value[_IS_DELETION] == (len(value) == HEADER_BYTES)
        and (value[1] | value[10] | value[18]) < _FIRST_BIT  # where the numbers begin, which are below 2^63
    )
