"""How fresh an answer is: what is stored against what was seen and what the caller knows."""

from typing import TypeAlias

from hangtag.store import Stored
from hangtag.v1 import tags_pb2

Freshness: TypeAlias = tags_pb2.Freshness.ValueType


def freshness(stored: Stored, min_version: int = 0) -> Freshness:
    """The state of one product; `min_version` is the version that the caller knows of."""
    seen = stored.seen_version
    if stored.version is None:
        return tags_pb2.UNKNOWN if seen is None else tags_pb2.PENDING
    is_newer_seen = seen is not None and seen > stored.version
    if stored.is_deleted:
        return tags_pb2.PENDING if is_newer_seen else tags_pb2.UNKNOWN
    return tags_pb2.STALE if is_newer_seen or min_version > stored.version else tags_pb2.FRESH
