"""Compares the stored version of a product with the versions that were received and that the caller expects."""

from typing import NamedTuple, TypeAlias

from hangtag.store import Seen, Stored
from hangtag.v1 import tags_pb2

Freshness: TypeAlias = tags_pb2.Freshness.ValueType
Reason: TypeAlias = tags_pb2.FreshnessReason.ValueType

# The states of answers with tags.
WITH_TAGS = frozenset({tags_pb2.FRESHNESS_FRESH, tags_pb2.FRESHNESS_STALE})

_NOTHING_TO_ADD = tags_pb2.FRESHNESS_REASON_UNSPECIFIED
_WAITING = tags_pb2.FRESHNESS_REASON_VERSION_WAITING
_REFUSED = tags_pb2.FRESHNESS_REASON_VERSION_REFUSED
_NOT_RECEIVED = tags_pb2.FRESHNESS_REASON_VERSION_NOT_RECEIVED
_AWAY = tags_pb2.FRESHNESS_REASON_STORE_UNAVAILABLE


class Verdict(NamedTuple):
    """How up to date what is stored is, and why; `known_version` is the newest version received, 0 if none is newer."""

    state: Freshness
    reason: Reason
    known_version: int


FRESH = Verdict(tags_pb2.FRESHNESS_FRESH, _NOTHING_TO_ADD, 0)
_UNKNOWN = Verdict(tags_pb2.FRESHNESS_UNKNOWN, _NOTHING_TO_ADD, 0)


def freshness(stored: Stored, min_version: int = 0, is_degraded: bool = False) -> Verdict:
    """The freshness of one product.

    `min_version` is the newest version that the caller has heard of. `is_degraded` says that the store cannot be read
    and `stored` is what was read of it before: nothing of that is FRESH.
    """
    version, seen = stored.version, stored.seen
    held = -1 if version is None else version
    known = 0 if seen is None else max(seen.version, seen.refused)
    if seen is None or known <= held:
        if not stored.payload:
            found = _UNKNOWN
        elif min_version > held:
            found = Verdict(tags_pb2.FRESHNESS_STALE, _NOT_RECEIVED, 0)
        else:
            found = FRESH
    elif stored.payload:
        reason = _NOT_RECEIVED if min_version > known else _fate(seen, known)
        found = Verdict(tags_pb2.FRESHNESS_STALE, reason, known)
    elif _fate(seen, known) == _REFUSED:
        found = Verdict(tags_pb2.FRESHNESS_UNKNOWN, _REFUSED, known)
    else:
        found = Verdict(tags_pb2.FRESHNESS_PENDING, _WAITING, known)
    if not is_degraded:
        return found
    state = tags_pb2.FRESHNESS_STALE if stored.payload else found.state
    return Verdict(state, _AWAY, found.known_version)


def _fate(seen: Seen, known: int) -> Reason:
    """What became of the newest version that was received."""
    return _REFUSED if 0 < known == seen.refused else _WAITING
