"""Decoding product events: every error says what to send instead and never quotes the product's texts."""

import contextlib
import gzip

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from hangtag.records import Event, EventError, Kind, ProductVersion, Replay, decode_event, decode_version
from hangtag.v1 import events_pb2

SECRET = "zebra-striped"
LIMIT = 100_000
NOW = 1_700_000_000_000
PROTOBUF = [("content-type", b"application/x-protobuf")]


def read(value, key=None, headers=(), timestamp_ms=NOW) -> Event:
    raw = value if isinstance(value, bytes) or value is None else orjson.dumps(value)
    return decode_event(raw, key, headers, timestamp_ms, LIMIT)


def product(**changes):
    return {"type": "CREATED", "product": {"product_id": "p1", "version": 3, "title": SECRET, **changes}}


def test_json_field_names_in_snake_case_and_camel_case():
    snake = {
        "event_id": "e",
        "type": "UPDATED",
        "product": {"product_id": "p", "version": "7", "title": "a <b>dress</b>"},
    }
    camel = {"eventId": "e", "type": 2, "product": {"productId": "p", "version": 7, "title": "a dress"}}

    assert read(snake) == read(camel)
    assert read(snake).kind is Kind.UPDATED
    assert read(snake).text.first == "a dress"


@pytest.mark.parametrize("kind", Kind)
def test_json_types_by_short_name_full_name_and_number(kind):
    full_name = f"EVENT_TYPE_{kind}"
    number = events_pb2.EventType.Value(full_name)

    kinds = [read({**product(), "type": sent}).kind for sent in (kind.value, full_name, number)]

    assert kinds == [kind] * 3


@pytest.mark.parametrize("sent", [None, 0, "EVENT_TYPE_UNSPECIFIED"])
def test_an_unset_json_type_is_updated(sent):
    assert read({**product(), "type": sent}).kind is Kind.UPDATED


@pytest.mark.parametrize(
    "content_type", [b"application/json", b"Application/JSON; charset=utf-8", b" application/json "]
)
def test_json_content_types(content_type):
    assert read(product(), headers=[("Content-Type", content_type)]).version == 3


def test_a_content_type_without_a_value_counts_as_none():
    assert read(product(), headers=[("content-type", None)]).version == 3


def test_protobuf():
    message = events_pb2.ProductEvent(product=events_pb2.Product(product_id="p", version=5, title="shoe"))

    event = read(message.SerializeToString(), headers=PROTOBUF)

    assert (event.kind, event.version, event.text.first) == (Kind.UPDATED, 5, "shoe")


def test_unknown_fields_are_ignored():
    assert read({**product(stock=3), "tenant": {"deep": [1]}}).product_id == "p1"


@pytest.mark.parametrize("title", ["🐱🐶", "红色连衣裙", "&amp;"])
def test_any_visible_text_is_accepted(title):
    assert not read(product(title=title)).text.is_empty


def test_a_deletion_needs_no_text():
    event = read({"type": "DELETED", "product": {"product_id": "p", "version": 2}})

    assert (event.kind, event.version, event.text.is_empty) == (Kind.DELETED, 2, True)


def test_a_deletion_needs_no_version():
    deletion = {"type": "DELETED", "product": {"product_id": "p"}}

    assert read(deletion).version == NOW
    assert read({**deletion, "time": "2024-01-01T00:00:00.250Z"}).version == 1_704_067_200_250


def test_an_unset_version_is_the_time_or_else_the_timestamp():
    timed = {**product(version=0), "time": "2024-01-01T00:00:00.250Z"}

    assert read(timed).version == 1_704_067_200_250
    assert read(product(version=0)).version == NOW


BAD = {
    "null value": (None, {}, "null"),
    "malformed": (b'{"product":\n {zebra-striped', {}, "line 2, column 3"),
    "empty": (b"", {}, "not valid JSON"),
    "utf-8": (b'{"product": {"title": "zebra-striped\xff"}}', {}, "not UTF-8"),
    "half a pair": (
        b'{"product": {"title": "zebra-striped\\uD83D"}}',
        {},
        "half a surrogate pair (\\ud83d) stands alone",
    ),
    "second half": (b'{"product": {"title": "zebra-striped\\\\\\udc36"}}', {}, "half a surrogate pair (\\udc36)"),
    "half a pair as bytes": (
        b'{"product": {"title": "zebra-striped\xed\xa0\xbd"}}',
        {},
        "half a surrogate pair (\\ud83d)",
    ),
    "half a pair after a whole one": (
        b'["zebra-striped\\ud83d\\udc36\\ud83d"]',
        {},
        "(\\ud83d) stands alone at byte 27",
    ),
    "escaped backslash before u": (b'["zebra-striped\\\\ud83d" zebra-striped', {}, "line 1, column 25"),
    "byte order mark": (b"\xef\xbb\xbf" + orjson.dumps(product()), {}, "byte order mark (the bytes EF BB BF)"),
    "utf-16": ('{"product": {"title": "zebra-striped"}}'.encode("utf-16-le"), {}, "UTF-16"),
    "gzip": (gzip.compress(orjson.dumps(product())), {}, "compressed with gzip"),
    "schema registry": (
        b"\0\0\0\0\x11" + orjson.dumps(product()),
        {},
        "schema registry (a zero byte, then the schema id 17)",
    ),
    "schema registry, protobuf": (b"\0\0\0\1\0\0zebra-striped", {"headers": PROTOBUF}, "the schema id 256"),
    "deep": (b"[" * 5_000, {}, "not valid JSON"),
    "array": ([SECRET], {}, "not an object"),
    "product is text": ({"product": SECRET}, {}, "product must be an object"),
    "no product": ({"type": "CREATED"}, {}, "product_id is missing"),
    "no id": (product(product_id=None), {}, "product_id is missing"),
    "empty id": (product(product_id=""), {}, "product_id is missing"),
    "blank id": (product(product_id="  "), {}, "product_id is missing"),
    "long id": (product(product_id="é" * 129), {}, "258 bytes, the maximum is 256"),
    "id is a number": (product(product_id=17), {}, "product_id must be a string, not a number"),
    "title is an object": (product(title={"en": SECRET}), {}, "title must be a string, not an object"),
    "version is text": (
        product(version="three"),
        {},
        "version must be a 64-bit integer, as a number or a string, not 'three'",
    ),
    "version is an object": (product(version={"title": SECRET}), {}, "not an object"),
    "version is a list": (product(version=[SECRET]), {}, "not a list"),
    "version is a fraction": (product(version=1.5), {}, "not 1.5"),
    "version is true": (product(version=True), {}, "version must be a 64-bit integer"),
    "version too large": (product(version=str(2**63)), {}, "version must be a 64-bit integer"),
    "version far too large": (b'{"product": {"product_id": "p", "version": 92233720368547758080}}', {}, "integer"),
    "version negative": (product(version=-1), {}, "from 0 to 2^63-1"),
    "version unknown": (product(version=0), {"timestamp_ms": -1}, "from 0 to 2^63-1"),
    "type unknown": (
        {**product(), "type": "REMOVED"},
        {},
        "CREATED, UPDATED or DELETED (or with the prefix EVENT_TYPE_), not 'REMOVED'",
    ),
    "type in lower case": ({**product(), "type": "deleted"}, {}, "CREATED, UPDATED or DELETED"),
    "type is an object": ({**product(), "type": {"title": SECRET}}, {}, "not an object"),
    "type is long": ({**product(), "type": "a" * 99 + SECRET}, {}, f"not '{'a' * 40}'..."),
    "type is true": ({**product(), "type": True}, {}, "CREATED, UPDATED or DELETED"),
    "type unspecified without prefix": ({**product(), "type": "UNSPECIFIED"}, {}, "CREATED, UPDATED or DELETED"),
    "time wrong": ({**product(), "time": "yesterday"}, {}, "as in 2026-01-31T12:00:00Z, not 'yesterday'"),
    "time without zone": ({**product(), "time": "2026-01-31T12:00:00.5"}, {}, "has no zone: '2026-01-31T12:00:00.5'"),
    "time without zone and seconds": ({**product(), "time": "2026-01-31T12:00"}, {}, "has no zone"),
    "time is an object": ({**product(), "time": {"title": SECRET}}, {}, "must be a string such as"),
    "time beyond numbers": ({**product(), "time": "2026-01-31T12:00:00.1e999Z"}, {}, "2026-01-31T12:00:00Z"),
    "time is a number": ({**product(), "time": 5}, {}, "2026-01-31T12:00:00Z"),
    "no text": (product(title="", description="<p>&nbsp;</p>"), {}, "no visible text"),
    "invisible text": (product(title="\u200b\u200d"), {}, "no visible text"),
    "too large": (product(description="x" * LIMIT), {}, "worker.max_record_bytes"),
    "content type": (
        product(),
        {"headers": [("content-type", b"text/plain")]},
        "application/x-protobuf, not 'text/plain'",
    ),
    "other key": (product(), {"key": b'"p1"'}, "key '\"p1\"' differs from product.product_id 'p1'"),
    "key is not utf-8": (product(), {"key": b"\xff"}, "key '\\\\xff' differs"),
    "truncated": (product(), {"headers": [("hangtag.truncated", b"value")]}, "something was left out"),
    "large headers": (product(), {"headers": [("h", b"x" * LIMIT)]}, "100085 bytes (key, value and headers"),
    "broken protobuf": (b"\xff\xff\xff", {"headers": PROTOBUF}, "binary protobuf"),
    "json as protobuf": (product(), {"headers": PROTOBUF}, "binary protobuf"),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_say_what_to_do_and_quote_no_text(case):
    value, how, expected = BAD[case]

    with pytest.raises(EventError) as caught:
        read(value, **how)

    assert expected in caught.value.reason
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.__cause__)
    assert caught.value.stage in {"decode", "validate"}


@pytest.mark.parametrize("seconds", [2**61, -(2**61), 2**63 // 1_000 + 1])
def test_a_protobuf_time_outside_the_range_of_versions_is_refused(seconds):
    event = events_pb2.ProductEvent(product=events_pb2.Product(product_id="p", title="x"))
    event.time.seconds = seconds

    with pytest.raises(EventError, match="2\\^63-1"):
        read(event.SerializeToString(), headers=PROTOBUF)


def test_an_unknown_protobuf_type_is_refused():
    value = events_pb2.ProductEvent(type=9, product=events_pb2.Product(product_id="p", version=1, title="x"))

    with pytest.raises(EventError, match="CREATED, UPDATED or DELETED"):
        read(value.SerializeToString(), headers=PROTOBUF)


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
messages = st.builds(
    events_pb2.ProductEvent,
    event_id=words,
    type=st.sampled_from(events_pb2.EventType.values()),
    product=st.builds(
        events_pb2.Product,
        product_id=words.filter(str.strip),
        version=st.integers(0, 2**63 - 1),
        title=words.map(lambda text: f"a{text}"),
        description=words,
        merchant_category=words,
        language=words,
    ),
    time=st.none() | st.builds(Timestamp, seconds=st.integers(0, 4_000_000_000), nanos=st.integers(0, 999_999_999)),
)


@given(messages, st.booleans())
def test_json_and_protobuf_decode_to_the_same_event(message, snake):
    text = json_format.MessageToJson(message, preserving_proto_field_name=snake)

    assert read(text.encode()) == read(message.SerializeToString(), headers=PROTOBUF)


@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes_raise_nothing_but_event_errors(value, binary):
    with contextlib.suppress(EventError):
        read(value, headers=PROTOBUF if binary else ())


# What the reader of arrivals and the worker take a record for must be the same version of the same product.


def version_of(value, headers=(), timestamp_ms=NOW, key=None) -> ProductVersion:
    raw = value if isinstance(value, bytes) or value is None else orjson.dumps(value)
    return decode_version(raw, key, headers, timestamp_ms, LIMIT)


@given(messages, st.booleans(), st.sampled_from([0, NOW]))
def test_the_version_of_a_record_is_that_of_its_event(message, without_version, timestamp_ms):
    if without_version:
        message.product.version = 0
    text = json_format.MessageToJson(message).encode()
    replayed = Replay("me", NOW + 5, "products.deadletter-0@1", NOW - 5, 1).headers()
    for value, headers in ((text, []), (message.SerializeToString(), PROTOBUF), (text, replayed)):
        event = read(value, headers=headers, timestamp_ms=timestamp_ms)

        assert version_of(value, headers, timestamp_ms) == (event.product_id, event.version)


@pytest.mark.parametrize(
    "value", [product(title=""), product(title=7), {**product(), "type": "SOLD"}, {**product(), "time": "yesterday"}]
)
def test_a_record_that_cannot_be_tagged_may_say_its_version(value):
    with pytest.raises(EventError):
        read(value)

    assert version_of(value) == ("p1", 3)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"[]",
        {"product": 3},
        product(product_id=" "),
        product(product_id="x" * 300),
        product(version=-1),
        product(version="new"),
        {**product(version=0), "time": "yesterday"},
        product(description="x" * LIMIT),
    ],
)
def test_a_record_that_does_not_say_it_has_the_error_of_its_event(value):
    with pytest.raises(EventError) as of_event:
        read(value)
    with pytest.raises(EventError) as of_version:
        version_of(value)

    assert str(of_version.value) == str(of_event.value)


def test_a_version_under_another_key_is_refused():
    with pytest.raises(EventError, match="differs from"):
        version_of(product(), key=b"another")


@given(st.binary(max_size=200), st.booleans())
def test_a_version_of_arbitrary_bytes_raises_nothing_but_event_errors(value, binary):
    with contextlib.suppress(EventError):
        version_of(value, PROTOBUF if binary else ())
