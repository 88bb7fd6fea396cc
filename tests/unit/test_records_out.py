"""Values and headers that workers write: tags and dead letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.records import (
    DeadLetter,
    Partition,
    Record,
    TaggedProduct,
    dead_letter_of,
    decode_tags,
    encode_tags,
    product_id_of,
    size_of,
    tag_message,
)
from hangtag.tags.decisions import Decision
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.v1 import events_pb2, tags_pb2

TAGS = TagSet(
    (ScoredTag("class:cat:food", 0.75, Source.MODEL, Band.AUTO),),
    (ScoredTag("color:red", 0.5, Source.RULE, Band.REVIEW),),
)
RECORD = Record(Partition("events", 3), 17, 1_000, b"p", b"v", (("trace", b"\xff\x00"), ("trace", None)))


def letter_of(record=RECORD, message="why") -> DeadLetter:
    return dead_letter_of(
        record, group="g", stage="decode", error="EventError", message=message, attempts=2, bundle_version="ab"
    )


def headers_of(record=RECORD, message="why"):
    return letter_of(record, message).headers


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
        ("trace", None),
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


def test_a_header_without_a_value_has_none_in_the_dead_letter():
    record = RECORD._replace(headers=(("trace", None), ("empty", b"")))

    assert headers_of(record)[:2] == [("trace", None), ("empty", b"")]


def test_a_dead_letter_that_was_sent_again_has_only_the_latest_headers():
    again = RECORD._replace(headers=tuple(headers_of(message="old")), offset=99)

    found = headers_of(again, "new")

    assert found == headers_of(RECORD._replace(offset=99), "new")


keys = st.none() | st.binary(max_size=2_000)
headers = st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=50)), max_size=3)


@given(keys, st.none() | st.binary(max_size=100).map(lambda part: part * 100), headers)
def test_a_dead_letter_is_shortened_until_only_our_headers_and_a_short_key_are_left(key, value, headers):
    """Each step is smaller, marked as truncated, and states the sizes of the whole."""
    original = [each for each in headers if not each[0].startswith("hangtag.")]
    whole = letter = letter_of(RECORD._replace(key=key, value=value, headers=tuple(original)))
    while (shorter := letter.shortened()) is not None:
        assert content(shorter) < content(letter)
        said = dict(shorter.headers)
        assert said["hangtag.value_bytes"] == str(len(whole.value or b"")).encode()
        assert said["hangtag.record_bytes"] == str(size_of(whole.key, whole.value, original)).encode()
        assert (whole.value or b"").startswith(shorter.value or b"")
        left_out = {
            "value": shorter.value != whole.value,
            "headers": shorter.headers[0] not in whole.headers and bool(original) and not kept(shorter),
            "key": shorter.key != whole.key,
        }
        assert said["hangtag.truncated"].decode().split(",") == [name for name, is_so in left_out.items() if is_so]
        assert dict(whole.headers).items() - dict(original).items() <= said.items()
        letter = shorter
    assert not letter.value
    assert len(letter.key or b"") <= 256
    assert kept(letter) == []


def kept(letter: DeadLetter) -> list:
    return [each for each in letter.headers if not each[0].startswith("hangtag.")]


def content(letter: DeadLetter) -> tuple[int, int, int]:
    return len(letter.value or b""), len(kept(letter)), len(letter.key or b"")


def test_a_truncated_dead_letter_that_was_sent_again_stays_marked_with_the_sizes_of_the_whole():
    whole = RECORD._replace(value=b"x" * 5_000)
    cut = letter_of(whole).shortened()

    again = letter_of(RECORD._replace(value=cut.value, headers=tuple(cut.headers)))

    expected = {"hangtag.truncated": b"value", "hangtag.value_bytes": b"5000"}
    assert expected.items() <= dict(again.headers).items()
    assert expected.items() <= dict(again.shortened().headers).items()


@given(st.text(max_size=3_000))
def test_messages_are_truncated_between_characters(message):
    found = dict(headers_of(message=message))["hangtag.message"]

    assert len(found) <= 1_024
    assert message.encode("utf-8", "replace").decode().startswith(found.decode())


PROTOBUF = [("content-type", b"application/x-protobuf")]
EVENT = events_pb2.ProductEvent(product=events_pb2.Product(product_id="p1", title="x")).SerializeToString()


@pytest.mark.parametrize(
    ("value", "headers", "expected"),
    [
        (b'{"product": {"product_id": "p1"}}', [], "p1"),
        (b'{"product": {"productId": 17}}', [("content-type", None)], "17"),
        (b'{"product": {"title": "\xff", "product_id": "p\\u00e9"', [], "pé"),
        (b'{"product": {"title": "x"}, "product_id": "elsewhere"}', [], ""),
        (b'{"product": {"product_id": {"a": 1}}}', [], ""),
        (EVENT, PROTOBUF, "p1"),
        (EVENT, [], ""),
        (b"{", PROTOBUF, ""),
        (b"[1]", [], ""),
        (b"\x00\x01", [], ""),
        (None, [], ""),
    ],
)
def test_the_product_id_in_a_value_that_need_not_be_an_event(value, headers, expected):
    assert product_id_of(value, headers) == expected
