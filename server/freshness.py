"""Compares the stored version of a product with the versions that were received and that the caller expects."""

from typing import NamedTuple, TypeAlias

from hangtag.store import Stored
from hangtag.v1 import tags_pb2

Freshness: TypeAlias = tags_pb2.Freshness.ValueType


class Verdict(NamedTuple):
    """How up to date the tags of a product are, and why they are not FRESH. `known_version`: 0 if none is newer."""

    state: Freshness
    reason: tags_pb2.FreshnessReason.ValueType
    known_version: int


_FRESH = Verdict(tags_pb2.FRESHNESS_FRESH, tags_pb2.FRESHNESS_REASON_UNSPECIFIED, 0)
_UNKNOWN = Verdict(tags_pb2.FRESHNESS_UNKNOWN, tags_pb2.FRESHNESS_REASON_UNSPECIFIED, 0)


def freshness(stored: Stored, min_version: int = 0) -> Verdict:
    """The freshness of one product; `min_version` is the newest version that the caller has heard of."""
    seen = stored.seen_version
    waiting = tags_pb2.FRESHNESS_REASON_VERSION_WAITING
    if stored.version is None:
        return _UNKNOWN if seen is None else Verdict(tags_pb2.FRESHNESS_PENDING, waiting, seen)
    if seen is not None and seen > stored.version:
        state = tags_pb2.FRESHNESS_PENDING if stored.is_deleted else tags_pb2.FRESHNESS_STALE
        return Verdict(state, waiting, seen)
    if stored.is_deleted:
        return _UNKNOWN
    if min_version > stored.version:
        return Verdict(tags_pb2.FRESHNESS_STALE, tags_pb2.FRESHNESS_REASON_VERSION_NOT_RECEIVED, 0)
    return _FRESH
