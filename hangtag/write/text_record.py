"""Texts of products as records of `products.texts`, and back."""

from hangtag.records import KeptText, Record, decode_text, encode_text
from hangtag.records.quoted import quoted
from hangtag.text.limits import MAX_VERSION
from hangtag.write.product_record import CONTENT_TYPE, VERSION, ProductRecord, product_id_of

_HASH = "hangtag.text_hash"


class TextRecordError(ValueError):
    """A record of `products.texts` is not one that Hangtag wrote; the message says what is wrong with it."""


def text_record_of(kept: KeptText) -> ProductRecord:
    """The record of a text; the same text gives the same record."""
    key, version = kept.product_id.encode(), (VERSION, str(kept.version).encode())
    if kept.is_deletion:
        return ProductRecord(key, None, [version])
    headers = [version, (_HASH, kept.text_hash.hex().encode()), CONTENT_TYPE]
    return ProductRecord(key, encode_text(kept), headers)


def kept_text_of(record: Record) -> KeptText:
    """The text of a record.

    Raises:
        TextRecordError: key, header or value are missing or wrong.
    """
    try:
        product_id = product_id_of(record)
        if record.value is None:
            version = int((dict(record.headers).get(VERSION) or b"").decode())
            if not 0 <= version <= MAX_VERSION:
                msg = f"its version is {version}"
                raise ValueError(msg)  # noqa: TRY301 (one message for all)
            return KeptText.deletion(product_id, version)
        kept = decode_text(record.value)
    except ValueError as error:
        msg = f"the record of key {quoted(record.key)} cannot be read: {error}"
        raise TextRecordError(msg) from error
    if kept.product_id != product_id:
        msg = f"the record of key {quoted(record.key)} is about the product {quoted(kept.product_id)}"
        raise TextRecordError(msg)
    return kept
