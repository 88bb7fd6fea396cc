"""Where tags are kept: one key per product in any server that speaks RESP, replaced only by something newer.

Workers write with `RedisTagStore`, the server reads with `RedisTagReader`.
"""

from hangtag.store.arrival import Arrival
from hangtag.store.entry import Entry, Outcome, Rank, Reply, bundle_prefix
from hangtag.store.errors import PartlyReadError, StoreDeniedError, StoreError, StoreMismatchError
from hangtag.store.loss import LossReport
from hangtag.store.memory_store import MemoryTagStore
from hangtag.store.meta import StoreState
from hangtag.store.progress import BatchProgress, PartitionProgress, ProgressReader
from hangtag.store.rebuild_store import RebuildStore, StoreWentBackError
from hangtag.store.redis_reader import Found, RedisTagReader
from hangtag.store.redis_store import RedisTagStore
from hangtag.store.retag_run import RetagRun
from hangtag.store.retag_store import Former, RetagStore
from hangtag.store.stored import Seen, Stored
from hangtag.store.survey import StoreSurvey
from hangtag.store.tag_store import TagStore
from hangtag.store.text_store import StoredText, TextStore

__all__ = [
    "Arrival",
    "BatchProgress",
    "Entry",
    "Former",
    "Found",
    "LossReport",
    "MemoryTagStore",
    "Outcome",
    "PartitionProgress",
    "PartlyReadError",
    "ProgressReader",
    "Rank",
    "RebuildStore",
    "RedisTagReader",
    "RedisTagStore",
    "Reply",
    "RetagRun",
    "RetagStore",
    "Seen",
    "StoreDeniedError",
    "StoreError",
    "StoreMismatchError",
    "StoreState",
    "StoreSurvey",
    "StoreWentBackError",
    "Stored",
    "StoredText",
    "TagStore",
    "TextStore",
    "bundle_prefix",
]
