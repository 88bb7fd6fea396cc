"""The names of the keys. The braces are a cluster's hash tag: all keys of a bucket lie in one slot."""

from zlib import crc32

META_KEY = "ht:meta"


def bucket_of(product_id: str, buckets: int) -> int:
    """The bucket of a product, 0 to `buckets` - 1."""
    return crc32(product_id.encode()) % buckets


def product_key(product_id: str, buckets: int) -> str:
    """Where a product's tags are."""
    return f"ht:p:{{{bucket_of(product_id, buckets)}}}:{product_id}"


def seen_key(product_id: str, buckets: int) -> str:
    """Where the newest polled version of a product is, for a while."""
    return f"ht:seen:{{{bucket_of(product_id, buckets)}}}:{product_id}"
