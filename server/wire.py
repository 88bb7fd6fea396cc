"""Replies put together from bytes: stored tags go out as they came in, never parsed.

A field of protobuf's wire format is its number and type in one byte (numbers below 16), then, for bytes and messages,
the length as a varint, then the bytes. `tests/unit/test_server_wire.py` holds this against protobuf itself.
"""

from collections.abc import Iterable

_LENGTH_DELIMITED = 2
_ID = bytes([1 << 3 | _LENGTH_DELIMITED])
_FRESHNESS = bytes([2 << 3])
_TAGS = bytes([3 << 3 | _LENGTH_DELIMITED])
_LOOKUPS = bytes([1 << 3 | _LENGTH_DELIMITED])
_LOW_BITS = 0x7F
_MORE = 0x80


def varint(number: int) -> bytes:
    """A number of 0 or more, seven bits a byte, lowest first."""
    if number <= _LOW_BITS:
        return bytes((number,))
    out = bytearray()
    while number > _LOW_BITS:
        out.append(number & _LOW_BITS | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


def lookup(product_id: bytes, freshness: int, payload: bytes) -> bytes:
    """A serialised `ProductLookup`. `payload` is a serialised `ProductTags`, empty for none."""
    head = _ID + varint(len(product_id)) + product_id + _FRESHNESS + varint(freshness)
    return head + _TAGS + varint(len(payload)) + payload if payload else head


def batch(lookups: Iterable[bytes]) -> bytes:
    """A serialised `BatchGetProductTagsResponse` of serialised look-ups."""
    parts: list[bytes] = []
    for each in lookups:
        parts += (_LOOKUPS, varint(len(each)), each)
    return b"".join(parts)
