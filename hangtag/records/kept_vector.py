"""The vector of a product, as `products.vectors` keeps it."""

from dataclasses import dataclass
from typing import Self

from google.protobuf.message import DecodeError

from hangtag.tags.vector import Vector
from hangtag.text.limits import MAX_VERSION
from hangtag.text.product_text import ProductText
from hangtag.text.text_hash import TEXT_HASH_BYTES
from hangtag.v1 import vectors_pb2


@dataclass(frozen=True, slots=True)
class KeptVector:
    """What was computed for the text of a product, or that the product was deleted: then there is no `vector`.

    It holds for every version of the product whose `text_hash` is the same.
    """

    product_id: str
    version: int
    text: ProductText
    text_hash: bytes
    vector: Vector | None

    @classmethod
    def deletion(cls, product_id: str, version: int) -> Self:
        """The deletion of a product."""
        return cls(product_id, version, ProductText(""), b"", None)


def encode_vector(kept: KeptVector) -> bytes:
    """A serialised `hangtag.v1.ProductVector`; the same input gives the same bytes.

    Raises:
        ValueError: it is a deletion, which has no value.
    """
    vector = kept.vector
    if vector is None:
        msg = "the deletion of a product has no vector"
        raise ValueError(msg)
    message = vectors_pb2.ProductVector(
        product_id=kept.product_id,
        version=kept.version,
        text_hash=kept.text_hash,
        first=kept.text.first,
        second=kept.text.second,
        basis=vector.basis,
        vector=vector.values,
        scale=vector.scale,
        scores=vector.scores,
        reading=vector.reading,
        named=vector.named,
        unknown_language=vector.language,
    )
    return message.SerializeToString(deterministic=True)


def decode_vector(payload: bytes) -> KeptVector:
    """Read a serialised `ProductVector`.

    Raises:
        ValueError: the bytes are not such a message, or it has no text, or a wrong version or hash.
    """
    try:
        message = vectors_pb2.ProductVector.FromString(payload)
    except (DecodeError, UnicodeDecodeError) as error:
        msg = "the value is not a serialised hangtag.v1.ProductVector"
        raise ValueError(msg) from error
    text = ProductText(message.first, message.second)
    if text.is_empty or not 0 <= message.version <= MAX_VERSION or len(message.text_hash) != TEXT_HASH_BYTES:
        msg = "the value has no text, its version is outside 0 to 2^63-1, or its text hash has not 16 bytes"
        raise ValueError(msg)
    vector = Vector(
        message.basis,
        message.scale,
        message.vector,
        message.scores,
        message.reading,
        tuple(message.named),
        message.unknown_language,
    )
    return KeptVector(message.product_id, message.version, text, message.text_hash, vector)
