"""The names of the keys. The braces are a cluster's hash tag: all keys of a bucket are in one slot."""

from zlib import crc32

META_KEY = "ht:meta"


def bucket_of(product_id: str, buckets: int) -> int:
    """The bucket of a product, 0 to `buckets` - 1."""
    return crc32(product_id.encode()) % buckets


def product_key(product_id: str, buckets: int) -> str:
    """The key of a product's tags."""
    return f"ht:p:{{{bucket_of(product_id, buckets)}}}:{product_id}"


def seen_key(product_id: str, buckets: int) -> str:
    """The key of the newest version of a product that a worker has polled; it expires."""
    return f"ht:seen:{{{bucket_of(product_id, buckets)}}}:{product_id}"
