"""Vectors of products as records of `products.vectors`, and back."""

from collections.abc import Sequence
from typing import NamedTuple

from hangtag.records import KeptVector, Record, decode_vector, encode_vector
from hangtag.records.quoted import quoted
from hangtag.text.limits import MAX_ID_BYTES

_VERSION = "hangtag.version"
_CONTENT_TYPE = ("content-type", b"application/x-protobuf")


class VectorRecordError(ValueError):
    """A record of `products.vectors` is not one that Hangtag wrote; the message says what is wrong with it."""


class VectorRecord(NamedTuple):
    """What is produced for a vector. `value` is None for a deletion: a tombstone."""

    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def vector_record_of(kept: KeptVector) -> VectorRecord:
    """The record of a vector; the same vector gives the same record."""
    key, version = kept.product_id.encode(), (_VERSION, str(kept.version).encode())
    if kept.vector is None:
        return VectorRecord(key, None, [version])
    return VectorRecord(key, encode_vector(kept), [version, _CONTENT_TYPE])


def kept_vector_of(record: Record) -> KeptVector | None:
    """The vector of a record; None for a deleted product.

    Raises:
        VectorRecordError: key or value are missing or wrong.
    """
    try:
        product_id = (record.key or b"").decode()
        if not 0 < len(record.key or b"") <= MAX_ID_BYTES:
            msg = f"its key has {len(record.key or b'')} bytes, not 1 to {MAX_ID_BYTES}"
            raise ValueError(msg)  # noqa: TRY301 (one message for all)
        if record.value is None:
            return None
        kept = decode_vector(record.value)
    except ValueError as error:
        msg = f"the record of key {quoted(record.key)} cannot be read: {error}"
        raise VectorRecordError(msg) from error
    if kept.product_id != product_id:
        msg = f"the record of key {quoted(record.key)} is about the product {quoted(kept.product_id)}"
        raise VectorRecordError(msg)
    return kept
