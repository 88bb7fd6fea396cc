"""Replies put together from bytes, held against protobuf itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.server import wire
from hangtag.server.freshness import freshness
from hangtag.store import Stored
from hangtag.v1 import tags_pb2

ids = st.text(min_size=1, max_size=60)
states = st.sampled_from([tags_pb2.FRESH, tags_pb2.STALE, tags_pb2.PENDING, tags_pb2.UNKNOWN])
tag = st.builds(tags_pb2.Tag, facet=st.just("color"), value=ids, confidence=st.floats(0, 1, width=32))
stored_tags = st.builds(
    tags_pb2.ProductTags, product_id=ids, version=st.integers(0, 2**63 - 1), tags=st.lists(tag, max_size=20)
)


@given(st.lists(st.tuples(ids, states, st.none() | stored_tags), max_size=8))
def test_reply_is_what_protobuf_would_write(answers: list[tuple[str, int, tags_pb2.ProductTags | None]]) -> None:
    expected = tags_pb2.BatchGetProductTagsResponse(
        lookups=[tags_pb2.ProductLookup(product_id=p, freshness=state, tags=tags) for p, state, tags in answers]
    )

    singles = [wire.lookup(p.encode(), state, t.SerializeToString() if t else b"") for p, state, t in answers]

    assert wire.batch(singles) == expected.SerializeToString()
    for single, lookup in zip(singles, expected.lookups, strict=True):
        assert tags_pb2.ProductLookup.FromString(single) == lookup


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02"), (16384, b"\x80\x80\x01")],
)
def test_varint(number: int, expected: bytes) -> None:
    assert wire.varint(number) == expected


@pytest.mark.parametrize(
    ("payload", "version", "seen", "min_version", "state"),
    [
        (b"x", 5, None, 0, tags_pb2.FRESH),
        (b"x", 5, 5, 5, tags_pb2.FRESH),
        (b"x", 5, 4, 0, tags_pb2.FRESH),
        (b"x", 5, 6, 0, tags_pb2.STALE),
        (b"x", 5, None, 6, tags_pb2.STALE),
        (b"x", 0, 0, 0, tags_pb2.FRESH),
        (b"", None, 1, 0, tags_pb2.PENDING),
        (b"", None, 0, 9, tags_pb2.PENDING),
        (b"", None, None, 9, tags_pb2.UNKNOWN),
        (b"", 5, None, 0, tags_pb2.UNKNOWN),
        (b"", 5, 5, 9, tags_pb2.UNKNOWN),
        (b"", 5, 6, 0, tags_pb2.PENDING),
    ],
)
def test_freshness(payload: bytes, version: int | None, seen: int | None, min_version: int, state: int) -> None:
    assert freshness(Stored(payload, version, b"", seen), min_version) == state
