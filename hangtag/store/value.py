"""The value of a product's key: a header of 17 bytes, then the serialised `ProductTags` as it is.

    byte 0       format
    bytes 1-8    product version, big-endian: in this form byte order is number order
    bytes 9-16   first 8 bytes of the bundle's content hash

The header alone says that the product is deleted.
"""

from hangtag.store.entry import Entry
from hangtag.store.stored import Stored

FORMAT = 1
VERSION_BYTES = 8
HEADER_BYTES = 17
_PREFIX_AT = 9


def pack_version(version: int) -> bytes:
    """A version as 8 bytes whose byte order is number order."""
    return version.to_bytes(VERSION_BYTES, "big")


def pack(entry: Entry) -> bytes:
    """An entry as the value of its key."""
    prefix = bytes.fromhex(entry.bundle_version[:16]).ljust(VERSION_BYTES, b"\0")
    return bytes((FORMAT,)) + pack_version(entry.version) + prefix + entry.payload


def unpack(value: bytes | None, seen: bytes | None) -> Stored:
    """What the two keys of a product say. A value that is not ours (another format, cut short) counts as no value."""
    seen_version = int.from_bytes(seen, "big") if seen is not None and len(seen) == VERSION_BYTES else None
    if value is None or len(value) < HEADER_BYTES or value[0] != FORMAT:
        return Stored(b"", None, b"", seen_version)
    return Stored(
        payload=value[HEADER_BYTES:],
        version=int.from_bytes(value[1:_PREFIX_AT], "big"),
        bundle_prefix=value[_PREFIX_AT:HEADER_BYTES],
        seen_version=seen_version,
    )
