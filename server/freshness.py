"""Compares the stored version of a product with the versions that were received and that the caller expects."""

from typing import TypeAlias

from hangtag.store import Stored
from hangtag.v1 import tags_pb2

Freshness: TypeAlias = tags_pb2.Freshness.ValueType


def freshness(stored: Stored, min_version: int = 0) -> Freshness:
    """The freshness of one product; `min_version` is the newest version that the caller has heard of."""
    seen = None if stored.seen is None else stored.seen.version
    if stored.version is None:
        return tags_pb2.FRESHNESS_UNKNOWN if seen is None else tags_pb2.FRESHNESS_PENDING
    is_newer_seen = seen is not None and seen > stored.version
    if stored.is_deleted:
        return tags_pb2.FRESHNESS_PENDING if is_newer_seen else tags_pb2.FRESHNESS_UNKNOWN
    is_stale = is_newer_seen or min_version > stored.version
    return tags_pb2.FRESHNESS_STALE if is_stale else tags_pb2.FRESHNESS_FRESH
