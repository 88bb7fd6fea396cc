"""Look-up replies that are built from serialised parts, compared with protobuf's own serialisation."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from hangtag.server import wire
from hangtag.server.freshness import Verdict
from hangtag.v1 import tags_pb2

FRESH, STALE = tags_pb2.FRESHNESS_FRESH, tags_pb2.FRESHNESS_STALE
PENDING, UNKNOWN = tags_pb2.FRESHNESS_PENDING, tags_pb2.FRESHNESS_UNKNOWN
FIRST_LOOKUP_FIELD = 16

ids = st.text(min_size=1, max_size=60)
states = st.sampled_from([FRESH, STALE, PENDING, UNKNOWN])
tag = st.builds(tags_pb2.Tag, facet=st.just("color"), value=ids, confidence=st.floats(0, 1, width=32))
times = st.builds(Timestamp, seconds=st.integers(0, 4_000_000_000), nanos=st.integers(0, 999_999_999))
stored_tags = st.builds(
    tags_pb2.ProductTags,
    product_id=ids,
    version=st.integers(0, 2**63 - 1),
    tags=st.lists(tag, max_size=20),
    review=st.lists(tag, max_size=3),
    bundle_version=ids,
    tagged_at=st.none() | times,
    decisions=st.lists(
        st.builds(tags_pb2.Decision, facet=ids, value=ids, verdict=st.sampled_from(tags_pb2.Verdict.values())),
        max_size=3,
    ),
    no_tags_reason=st.sampled_from(tags_pb2.NoTagsReason.values()),
)


def expected_product(
    product_id: str, state: int, tags: tags_pb2.ProductTags | None, as_of_ms: int
) -> tags_pb2.GetProductTagsResponse:
    """What the parts should parse to, built field by field."""
    product = tags_pb2.GetProductTagsResponse(product_id=product_id, freshness=state)
    if tags:
        for field, value in tags.ListFields():
            product.MergeFrom(tags_pb2.GetProductTagsResponse(**{field.name: value}))
    product.as_of.FromMilliseconds(as_of_ms)
    return product


@given(st.lists(st.tuples(ids, states, st.none() | stored_tags), max_size=8), st.integers(0, 2**42))
def test_replies_are_what_protobuf_would_write(
    products: list[tuple[str, int, tags_pb2.ProductTags | None]], as_of_ms: int
) -> None:
    expected = tags_pb2.BatchGetProductTagsResponse()
    parts = []
    for product_id, state, tags in products:
        expected.products.append(expected_product(tags.product_id if tags else product_id, state, tags, as_of_ms))
        head = tags.SerializeToString() if tags else wire.id_field(product_id.encode())
        parts.append((head, wire.lookup_fields(Verdict(state, 0, 0), as_of_ms)))

    assert wire.batch(parts) == expected.SerializeToString()
    for (head, lookup), product in zip(parts, expected.products, strict=True):
        assert tags_pb2.GetProductTagsResponse.FromString(head + lookup) == product


def test_a_look_up_has_the_fields_of_the_stored_message() -> None:
    """Stored bytes are sent as part of the reply, so every field of ProductTags has its number and type there."""
    stored, reply = tags_pb2.ProductTags.DESCRIPTOR, tags_pb2.GetProductTagsResponse.DESCRIPTOR

    def described(field) -> tuple[object, ...]:
        return field.name, field.number, field.type, field.is_repeated, field.message_type, field.enum_type

    of_lookup = [field for field in reply.fields if field.number >= FIRST_LOOKUP_FIELD]
    assert [described(field) for field in reply.fields if field not in of_lookup] == [
        described(field) for field in stored.fields
    ]
    assert [field.name for field in of_lookup] == [
        "freshness",
        "as_of",
        "freshness_reason",
        "known_version",
        "eta_ms",
        "newer_bundle_version",
    ]


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02"), (16384, b"\x80\x80\x01")],
)
def test_varint(number: int, expected: bytes) -> None:
    assert wire.varint(number) == expected
