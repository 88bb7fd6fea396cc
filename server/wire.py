"""Builds look-up replies from serialised parts, so that stored tags are sent without being parsed.

The parts of one product are its stored `ProductTags` (or its id alone) and the fields of the look-up. Together they are
one `GetProductTagsResponse`: protobuf merges messages whose bytes follow each other, and the two share field numbers.
"""

from collections.abc import Iterable
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp

from hangtag.server.freshness import Verdict
from hangtag.v1 import tags_pb2

# A field is its number and type in one byte (for numbers below 16), the length as a varint, then the bytes.
_LENGTH_DELIMITED = 2
_PRODUCT_ID = bytes([tags_pb2.GetProductTagsResponse.PRODUCT_ID_FIELD_NUMBER << 3 | _LENGTH_DELIMITED])
_PRODUCTS = bytes([tags_pb2.BatchGetProductTagsResponse.PRODUCTS_FIELD_NUMBER << 3 | _LENGTH_DELIMITED])
_LOW_BITS = 0x7F
_MORE = 0x80


@lru_cache(maxsize=4096)
def varint(number: int) -> bytes:
    """Encode a number of 0 or more with seven bits per byte, lowest bits first.

    Cached, because most products take about as many bytes.
    """
    if number <= _LOW_BITS:
        return bytes((number,))
    out = bytearray()
    while number > _LOW_BITS:
        out.append(number & _LOW_BITS | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


def id_field(product_id: bytes) -> bytes:
    """The field `product_id`, for a product without stored tags."""
    return _PRODUCT_ID + varint(len(product_id)) + product_id


@lru_cache(maxsize=256)
def lookup_fields(verdict: Verdict, as_of_ms: int, eta_ms: int | None = None, newer_bundle_version: str = "") -> bytes:
    """The fields of the look-up; `as_of_ms` is in milliseconds since 1970, UTC, `eta_ms` in milliseconds from now.

    Cached, because most look-ups of one read of the store have the same fields.
    """
    as_of = Timestamp(seconds=as_of_ms // 1_000, nanos=as_of_ms % 1_000 * 1_000_000)
    return tags_pb2.GetProductTagsResponse(
        freshness=verdict.state,
        as_of=as_of,
        freshness_reason=verdict.reason,
        known_version=verdict.known_version,
        eta_ms=eta_ms,
        newer_bundle_version=newer_bundle_version,
    ).SerializeToString()


def batch(products: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A `BatchGetProductTagsResponse`, from the two parts of each product."""
    parts: list[bytes] = []
    for stored, lookup in products:
        parts += (_PRODUCTS, varint(len(stored) + len(lookup)), stored, lookup)
    return b"".join(parts)
