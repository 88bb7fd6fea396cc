"""Vectors of products as records of `products.vectors`, and back."""

from hangtag.records import KeptVector, Record, decode_vector, encode_vector
from hangtag.records.quoted import quoted
from hangtag.write.product_record import CONTENT_TYPE, VERSION, ProductRecord, product_id_of


class VectorRecordError(ValueError):
    """A record of `products.vectors` is not one that Hangtag wrote; the message says what is wrong with it."""


def vector_record_of(kept: KeptVector) -> ProductRecord:
    """The record of a vector; the same vector gives the same record."""
    key, version = kept.product_id.encode(), (VERSION, str(kept.version).encode())
    if kept.vector is None:
        return ProductRecord(key, None, [version])
    return ProductRecord(key, encode_vector(kept), [version, CONTENT_TYPE])


def kept_vector_of(record: Record) -> KeptVector | None:
    """The vector of a record; None for a deleted product.

    Raises:
        VectorRecordError: key or value are missing or wrong.
    """
    try:
        product_id = product_id_of(record)
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
