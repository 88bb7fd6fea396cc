"""Entries as records of `products.tagged` and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.records import TaggedProduct, encode_tags
from hangtag.store import Entry, bundle_prefix
from hangtag.tags.tagset import TagSet
from hangtag.text.limits import MAX_VERSION
from hangtag.write import TaggedRecordError, Update, entry_of, record_of

BUNDLE = "0123456789abcdef" * 4
EMPTY = TagSet((), ())
numbers = st.integers(0, MAX_VERSION)


@given(numbers, numbers, numbers, st.binary(min_size=16, max_size=16))
def test_the_record_of_an_entry_gives_the_entry_back(version, sequence, revision, text):
    payload = encode_tags(TaggedProduct("p", version, EMPTY, BUNDLE, 7))
    entry = Entry("p", version, payload, bundle_prefix(BUNDLE), sequence, revision, text)

    key, value, headers = record_of(entry)

    assert (key, value) == (b"p", payload)
    assert entry_of(key, value, headers) == entry


def test_headers_hold_what_a_reader_needs_without_parsing():
    entry = Update("p", 3, EMPTY, BUNDLE, 5, bytes(range(16)), 7).entry(revision=9)

    assert dict(record_of(entry).headers) == {
        "content-type": b"application/x-protobuf",
        "hangtag.version": b"3",
        "hangtag.sequence": b"5",
        "hangtag.revision": b"9",
        "hangtag.bundle_version": BUNDLE.encode(),
        "hangtag.text_hash": b"000102030405060708090a0b0c0d0e0f",
        "hangtag.source": b"HUMAN",
    }
    assert dict(record_of(Update("p", 3, EMPTY, BUNDLE).entry()).headers)["hangtag.source"] == b"MODEL"


def test_a_tombstone_carries_its_version():
    key, value, headers = record_of(Entry.deletion("p", 3))

    assert value is None
    assert dict(headers)["hangtag.source"] == b"SHOP"
    assert entry_of(key, value, headers) == Entry.deletion("p", 3)


def test_a_record_from_before_the_headers_is_read_from_its_value():
    payload = encode_tags(TaggedProduct("p", 3, EMPTY, BUNDLE, 7))

    found = entry_of(b"p", payload, [("content-type", b"application/x-protobuf")])

    assert found == Entry("p", 3, payload, bundle_prefix(BUNDLE))


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (None, b"x", [("hangtag.version", b"1")]),
        (b"", b"x", [("hangtag.version", b"1")]),
        (b"\xff", None, [("hangtag.version", b"1")]),
        (b"p", None, []),
        (b"p", None, [("hangtag.version", b"one")]),
        (b"p", None, [("hangtag.version", b"-1")]),
        (b"p", b"\xff", []),
        (b"p", b"x", [("hangtag.version", b"1"), ("hangtag.bundle_version", b"not hex")]),
        (b"p", b"x", [("hangtag.version", b"1"), ("hangtag.bundle_version", b"ab" * 32), ("hangtag.text_hash", b"0")]),
        (b"p", None, [("hangtag.version", None)]),
    ],
)
def test_a_record_that_hangtag_did_not_write_is_refused(key, value, headers):
    with pytest.raises(TaggedRecordError):
        entry_of(key, value, headers)
