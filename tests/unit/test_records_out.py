"""Values and headers that workers write: tags and dead letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.records import Partition, Record, TaggedProduct, dead_letter_headers, decode_tags, encode_tags, tag_message
from hangtag.tags.decisions import Decision
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.v1 import tags_pb2

TAGS = TagSet(
    (ScoredTag("class:cat:food", 0.75, Source.MODEL, Band.AUTO),),
    (ScoredTag("color:red", 0.5, Source.RULE, Band.REVIEW),),
)
RECORD = Record(Partition("events", 3), 17, 1_000, b"p", b"v", (("trace", b"\xff\x00"), ("trace", b"2")))


def headers_of(record=RECORD, message="why"):
    return dead_letter_headers(
        record, group="g", stage="decode", error="EventError", message=message, attempts=2, bundle_version="ab"
    )


def test_encoded_tags_are_product_tags_of_the_contract():
    product = TaggedProduct("p", 2**62, TAGS, "abc", 1_500, (Decision("color:red", is_accepted=False),))
    payload = encode_tags(product)

    found = tags_pb2.ProductTags.FromString(payload)
    assert (found.product_id, found.version, found.bundle_version) == ("p", 2**62, "abc")
    assert found.tagged_at.ToMilliseconds() == 1_500
    assert (found.tags[0].facet, found.tags[0].value) == ("class", "cat:food")
    assert (found.tags[0].source, found.tags[0].band) == (tags_pb2.SOURCE_MODEL, tags_pb2.BAND_AUTO)
    assert (found.review[0].source, found.review[0].band) == (tags_pb2.SOURCE_RULE, tags_pb2.BAND_REVIEW)
    assert (found.decisions[0].facet, found.decisions[0].value) == ("color", "red")
    assert found.decisions[0].verdict == tags_pb2.VERDICT_REJECTED
    assert payload == encode_tags(product)
    assert decode_tags(payload) == product


@pytest.mark.parametrize("review", [(), TAGS.review])
def test_a_product_without_tags_has_the_reason(review):
    def message_of(tags: TagSet) -> tags_pb2.ProductTags:
        return tags_pb2.ProductTags.FromString(encode_tags(TaggedProduct("p", 1, tags, "abc", 1_500)))

    assert message_of(TagSet((), review)).no_tags_reason == tags_pb2.NO_TAGS_REASON_LOW_CONFIDENCE
    assert message_of(TagSet(TAGS.tags, review)).no_tags_reason == tags_pb2.NO_TAGS_REASON_UNSPECIFIED


@pytest.mark.parametrize("payload", [b"\xff", tags_pb2.ProductTags(tags=[tags_pb2.Tag(source=99)]).SerializeToString()])
def test_bytes_that_are_not_tags_are_refused(payload):
    with pytest.raises(ValueError, match="ProductTags|99"):
        decode_tags(payload)


@pytest.mark.parametrize("source", Source)
@pytest.mark.parametrize("band", Band)
def test_every_source_and_band_has_a_value_in_the_contract(source, band):
    message = tag_message(ScoredTag("class:cat", 0.5, source, band))

    assert tags_pb2.Source.Name(message.source) == f"SOURCE_{source}"
    assert tags_pb2.Band.Name(message.band) == f"BAND_{band}"


def test_a_dead_letter_keeps_the_records_headers_and_adds_its_origin():
    assert headers_of() == [
        ("trace", b"\xff\x00"),
        ("trace", b"2"),
        ("hangtag.topic", b"events"),
        ("hangtag.partition", b"3"),
        ("hangtag.offset", b"17"),
        ("hangtag.timestamp", b"1000"),
        ("hangtag.group", b"g"),
        ("hangtag.stage", b"decode"),
        ("hangtag.error", b"EventError"),
        ("hangtag.message", b"why"),
        ("hangtag.attempts", b"2"),
        ("hangtag.bundle_version", b"ab"),
    ]


def test_a_header_without_a_value_is_named_in_a_dead_letter():
    """kafka-python cannot produce one."""
    record = RECORD._replace(headers=(("trace", None), ("empty", b"")))

    found = headers_of(record)

    assert found[:2] == [("trace", b""), ("empty", b"")]
    assert dict(found)["hangtag.null_headers"] == b'["trace"]'
    assert "hangtag.null_headers" not in dict(headers_of())


def test_a_dead_letter_that_was_sent_again_has_only_the_latest_headers():
    again = RECORD._replace(headers=tuple(headers_of(message="old")), offset=99)

    found = headers_of(again, "new")

    assert found == headers_of(RECORD._replace(offset=99), "new")


@given(st.text(max_size=3_000))
def test_messages_are_truncated_between_characters(message):
    found = dict(headers_of(message=message))["hangtag.message"]

    assert len(found) <= 1_024
    assert message.encode("utf-8", "replace").decode().startswith(found.decode())
