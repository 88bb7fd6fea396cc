"""What records that Hangtag keeps about each product have in common: texts and vectors."""

from collections.abc import Sequence
from typing import NamedTuple

from hangtag.records import Record
from hangtag.text.limits import MAX_ID_BYTES

VERSION = "hangtag.version"
CONTENT_TYPE = ("content-type", b"application/x-protobuf")


class ProductRecord(NamedTuple):
    """What is produced about a product. `value` is None for a deletion: a tombstone."""

    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def product_id_of(record: Record) -> str:
    """The product that a record's key names.

    Raises:
        ValueError: it has no key, or one that is no id.
    """
    key = record.key or b""
    product_id = key.decode()
    if not 0 < len(key) <= MAX_ID_BYTES:
        msg = f"its key has {len(key)} bytes, not 1 to {MAX_ID_BYTES}"
        raise ValueError(msg)
    return product_id
