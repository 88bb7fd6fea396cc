"""A short hash of what a product's tags depend on besides the bundle."""

from hashlib import blake2b

from hangtag.text.product_text import ProductText

TEXT_HASH_BYTES = 16


def text_hash(text: ProductText, language: str) -> bytes:
    """16 bytes that are equal for equal cleaned texts in the same language; an unchanged text needs no encoder."""
    digest = blake2b(digest_size=TEXT_HASH_BYTES)
    for part in (text.first, text.second, language):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.digest()
