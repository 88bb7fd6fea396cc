"""The newest cleaned text of a product, as `products.texts` and the store keep it."""

from dataclasses import dataclass
from typing import Self

from google.protobuf.message import DecodeError

from hangtag.records.shop_fields import NO_FIELDS, ShopFields
from hangtag.text.limits import MAX_VERSION
from hangtag.text.product_text import CleanedFields, ProductText
from hangtag.text.text_hash import TEXT_HASH_BYTES, text_hash
from hangtag.v1 import texts_pb2

_NO_TEXTS = CleanedFields.of_cleaned("")


@dataclass(frozen=True, slots=True)
class KeptText:
    """The texts of one version of a product with what the shop sent along, or that the product was deleted."""

    product_id: str
    version: int
    fields: CleanedFields = _NO_TEXTS
    language: str = ""
    shop: ShopFields = NO_FIELDS
    text_hash: bytes = b""

    @classmethod
    def deletion(cls, product_id: str, version: int) -> Self:
        """The deletion of a product."""
        return cls(product_id, version)

    @property
    def is_deletion(self) -> bool:
        """True if the product was deleted."""
        return self.fields.text.is_empty

    @property
    def text(self) -> ProductText:
        """What is tagged."""
        return self.fields.text


def encode_text(kept: KeptText) -> bytes:
    """A serialised `hangtag.v1.ProductText`; the same input gives the same bytes."""
    message = texts_pb2.ProductText(
        product_id=kept.product_id,
        version=kept.version,
        title=kept.fields.title,
        description=kept.text.second,
        merchant_category=kept.fields.merchant_category,
        language=kept.language,
        text_hash=kept.text_hash,
    )
    if kept.shop is not NO_FIELDS:
        kept.shop.put_into(message)
    return message.SerializeToString(deterministic=True)


def decode_text(payload: bytes) -> KeptText:
    """Read a serialised `ProductText`. The texts are not cleaned again.

    Raises:
        ValueError: the bytes are not such a message, or it has no text, or a wrong version or hash.
    """
    try:
        message = texts_pb2.ProductText.FromString(payload)
    except (DecodeError, UnicodeDecodeError) as error:
        msg = "the value is not a serialised hangtag.v1.ProductText"
        raise ValueError(msg) from error
    fields = CleanedFields.of_cleaned(message.title, message.description, message.merchant_category)
    if fields.text.is_empty or not 0 <= message.version <= MAX_VERSION:
        msg = "the value has no text, or its version is outside 0 to 2^63-1"
        raise ValueError(msg)
    found = message.text_hash or text_hash(fields.text, message.language)
    if len(found) != TEXT_HASH_BYTES:
        msg = f"the text hash has {len(found)} bytes, not {TEXT_HASH_BYTES}"
        raise ValueError(msg)
    return KeptText(message.product_id, message.version, fields, message.language, ShopFields.of(message), found)
