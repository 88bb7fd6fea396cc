"""Texts of products as records of `products.texts`, and back."""

from collections.abc import Sequence
from typing import NamedTuple

from hangtag.records import KeptText, Record, decode_text, encode_text
from hangtag.records.quoted import quoted
from hangtag.text.limits import MAX_ID_BYTES, MAX_VERSION

_VERSION = "hangtag.version"
_HASH = "hangtag.text_hash"
_CONTENT_TYPE = ("content-type", b"application/x-protobuf")


class TextRecordError(ValueError):
    """A record of `products.texts` is not one that Hangtag wrote; the message says what is wrong with it."""


class TextRecord(NamedTuple):
    """What is produced for a text. `value` is None for a deletion: a tombstone."""

    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def text_record_of(kept: KeptText) -> TextRecord:
    """The record of a text; the same text gives the same record."""
    key, version = kept.product_id.encode(), (_VERSION, str(kept.version).encode())
    if kept.is_deletion:
        return TextRecord(key, None, [version])
    headers = [version, (_HASH, kept.text_hash.hex().encode()), _CONTENT_TYPE]
    return TextRecord(key, encode_text(kept), headers)


def kept_text_of(record: Record) -> KeptText:
    """The text of a record.

    Raises:
        TextRecordError: key, header or value are missing or wrong.
    """
    try:
        product_id = (record.key or b"").decode()
        if not 0 < len(record.key or b"") <= MAX_ID_BYTES:
            msg = f"its key has {len(record.key or b'')} bytes, not 1 to {MAX_ID_BYTES}"
            raise ValueError(msg)  # noqa: TRY301 (one message for all)
        if record.value is None:
            version = int((dict(record.headers).get(_VERSION) or b"").decode())
            if not 0 <= version <= MAX_VERSION:
                msg = f"its version is {version}"
                raise ValueError(msg)  # noqa: TRY301
            return KeptText.deletion(product_id, version)
        kept = decode_text(record.value)
    except ValueError as error:
        msg = f"the record of key {quoted(record.key)} cannot be read: {error}"
        raise TextRecordError(msg) from error
    if kept.product_id != product_id:
        msg = f"the record of key {quoted(record.key)} is about the product {quoted(kept.product_id)}"
        raise TextRecordError(msg)
    return kept
