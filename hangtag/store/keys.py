"""The names of the keys. The braces are a cluster's hash tag: all keys of a bucket are in one slot."""

from collections.abc import Sequence
from zlib import crc32

META_KEY = "ht:meta"
REBUILD_KEY = "ht:rebuild"
PROGRESS_KEY = "ht:progress"
RETAG_KEY = "ht:retag"
_OF_TAGS = b"p", b"f"
ALL_PRODUCTS = "ht:p:*"
ALL_FORMER = "ht:f:*"


def bucket_of(product_id: str, buckets: int) -> int:
    """The bucket of a product, 0 to `buckets` - 1."""
    return crc32(product_id.encode()) % buckets


def product_key(product_id: str, buckets: int) -> str:
    """The key of a product's tags."""
    return f"ht:p:{{{bucket_of(product_id, buckets)}}}:{product_id}"


def seen_key(product_id: str, buckets: int) -> str:
    """The key of a product's mark: what was received and is not stored yet."""
    return f"ht:seen:{{{bucket_of(product_id, buckets)}}}:{product_id}"


def former_key(product_id: str, buckets: int) -> str:
    """The key of the tags that a re-tag replaced."""
    return f"ht:f:{{{bucket_of(product_id, buckets)}}}:{product_id}"


def text_key(product_id: str, buckets: int) -> str:
    """The key of a product's newest text."""
    return f"ht:t:{{{bucket_of(product_id, buckets)}}}:{product_id}"


def lookup_keys(product_ids: Sequence[str], buckets: int) -> list[str]:
    """What a look-up of these products reads: the keys of their tags, then the keys of their versions polled last."""
    places = [f"{{{crc32(product.encode()) % buckets}}}:{product}" for product in product_ids]
    return [f"ht:p:{place}" for place in places] + [f"ht:seen:{place}" for place in places]


def rebuild_keys(buckets: int) -> list[str]:
    """The keys of a rebuild's progress on a cluster, one for each bucket."""
    return [f"{REBUILD_KEY}:{{{bucket}}}" for bucket in range(buckets)]


def mark_keys(buckets: int) -> list[str]:
    """The keys that show on a cluster that a node still has its data, one for each bucket."""
    return [f"ht:shard:{{{bucket}}}" for bucket in range(buckets)]


def rebuild_key_of(key: str) -> str:
    """The key of a rebuild's progress in the bucket of this key."""
    return f"{REBUILD_KEY}:{key[key.index('{') : key.index('}') + 1]}"


def product_of(key: bytes) -> str | None:
    """The product whose tags, present or former, are under a key; None: it is not such a key."""
    parts = key.split(b":", 3)
    try:
        return parts[3].decode() if len(parts) == 4 and parts[0] == b"ht" and parts[1] in _OF_TAGS else None  # noqa: PLR2004 (ht:p:{bucket}:id)
    except UnicodeDecodeError:
        return None
