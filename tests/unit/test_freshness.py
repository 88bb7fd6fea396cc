"""What a look-up says about the versions of a product."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.server.freshness import WITH_TAGS, Verdict, freshness
from hangtag.store import Seen, Stored
from hangtag.v1 import tags_pb2

FRESH, STALE = tags_pb2.FRESHNESS_FRESH, tags_pb2.FRESHNESS_STALE
PENDING, UNKNOWN = tags_pb2.FRESHNESS_PENDING, tags_pb2.FRESHNESS_UNKNOWN
NOTHING = tags_pb2.FRESHNESS_REASON_UNSPECIFIED
WAITING = tags_pb2.FRESHNESS_REASON_VERSION_WAITING
REFUSED = tags_pb2.FRESHNESS_REASON_VERSION_REFUSED
NOT_RECEIVED = tags_pb2.FRESHNESS_REASON_VERSION_NOT_RECEIVED
AWAY = tags_pb2.FRESHNESS_REASON_STORE_UNAVAILABLE

VERSIONS = st.integers(0, 4)
SEEN = st.none() | st.builds(Seen, VERSIONS, VERSIONS)
STORED = st.one_of(
    st.builds(Stored, st.just(b"tags"), VERSIONS, SEEN),
    st.builds(Stored, st.just(b""), st.none() | VERSIONS, SEEN),
)


@pytest.mark.parametrize(
    ("stored", "min_version", "verdict"),
    [
        (Stored(b"x", 5, None), 0, Verdict(FRESH, NOTHING, 0)),
        (Stored(b"x", 5, None), 5, Verdict(FRESH, NOTHING, 0)),
        (Stored(b"x", 5, Seen(5)), 5, Verdict(FRESH, NOTHING, 0)),
        (Stored(b"x", 5, Seen(4, refused=4)), 0, Verdict(FRESH, NOTHING, 0)),
        (Stored(b"x", 0, Seen(0)), 0, Verdict(FRESH, NOTHING, 0)),
        (Stored(b"x", 5, Seen(6)), 0, Verdict(STALE, WAITING, 6)),
        (Stored(b"x", 5, Seen(6)), 6, Verdict(STALE, WAITING, 6)),
        (Stored(b"x", 5, Seen(7, refused=6)), 0, Verdict(STALE, WAITING, 7)),
        (Stored(b"x", 5, Seen(6, refused=6)), 0, Verdict(STALE, REFUSED, 6)),
        # The mark of the refusal came first.
        (Stored(b"x", 5, Seen(0, refused=6)), 0, Verdict(STALE, REFUSED, 6)),
        (Stored(b"x", 5, None), 6, Verdict(STALE, NOT_RECEIVED, 0)),
        (Stored(b"x", 5, Seen(6)), 7, Verdict(STALE, NOT_RECEIVED, 6)),
        (Stored(b"x", 5, Seen(6, refused=6)), 7, Verdict(STALE, NOT_RECEIVED, 6)),
        (Stored(b"", None, Seen(0)), 0, Verdict(PENDING, WAITING, 0)),
        (Stored(b"", None, Seen(1)), 9, Verdict(PENDING, WAITING, 1)),
        (Stored(b"", None, Seen(1, refused=1)), 0, Verdict(UNKNOWN, REFUSED, 1)),
        (Stored(b"", None, None), 9, Verdict(UNKNOWN, NOTHING, 0)),
        (Stored(b"", 5, None), 0, Verdict(UNKNOWN, NOTHING, 0)),
        (Stored(b"", 5, Seen(5)), 9, Verdict(UNKNOWN, NOTHING, 0)),
        (Stored(b"", 5, Seen(6)), 0, Verdict(PENDING, WAITING, 6)),
        (Stored(b"", 5, Seen(6, refused=6)), 0, Verdict(UNKNOWN, REFUSED, 6)),
        (Stored(b"", 5, Seen(5, refused=5)), 0, Verdict(UNKNOWN, NOTHING, 0)),
    ],
)
def test_freshness(stored: Stored, min_version: int, verdict: Verdict) -> None:
    assert freshness(stored, min_version) == verdict


@given(STORED, VERSIONS)
def test_fresh_means_that_nothing_newer_is_known(stored: Stored, min_version: int) -> None:
    verdict = freshness(stored, min_version)
    seen = stored.seen or Seen(0)
    newest = max(seen.version, seen.refused, min_version)

    assert (verdict.state == FRESH) == (bool(stored.payload) and newest <= (stored.version or 0))
    assert (verdict.state in WITH_TAGS) == bool(stored.payload)
    assert verdict.known_version == 0 or verdict.known_version > (-1 if stored.version is None else stored.version)


@given(STORED, VERSIONS)
def test_what_was_read_before_the_store_went_away_is_never_fresh_and_says_why(stored: Stored, min_version: int) -> None:
    verdict, before = freshness(stored, min_version, is_degraded=True), freshness(stored, min_version)

    assert (verdict.reason, verdict.known_version) == (AWAY, before.known_version)
    assert verdict.state == (STALE if stored.payload else before.state)
