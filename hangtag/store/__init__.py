"""Where tags are kept: one key a product in any server that speaks RESP, written only by something newer.

Workers write with `RedisTagStore` (blocking), the server reads with `RedisTagReader` (asyncio).
"""

from hangtag.store.entry import Entry, Outcome
from hangtag.store.errors import StoreError, StoreMismatchError
from hangtag.store.redis_reader import RedisTagReader
from hangtag.store.redis_store import RedisTagStore
from hangtag.store.stored import Stored
from hangtag.store.tag_store import TagStore

__all__ = [
    "Entry",
    "Outcome",
    "RedisTagReader",
    "RedisTagStore",
    "StoreError",
    "StoreMismatchError",
    "Stored",
    "TagStore",
]
