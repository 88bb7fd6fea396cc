"""Decoding product events: every error says what to send instead and never quotes the product."""

import contextlib

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from hangtag.records import Event, EventError, Kind, decode_event
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
    "lone surrogate": (b'{"product": {"title": "zebra-striped\\ud800"}}', {}, "not valid JSON"),
    "deep": (b"[" * 5_000, {}, "not valid JSON"),
    "array": ([SECRET], {}, "not an object"),
    "product is text": ({"product": SECRET}, {}, "product must be an object"),
    "no product": ({"type": "CREATED"}, {}, "product_id is missing"),
    "no id": (product(product_id=None), {}, "product_id is missing"),
    "empty id": (product(product_id=""), {}, "product_id is missing"),
    "blank id": (product(product_id="  "), {}, "product_id is missing"),
    "long id": (product(product_id="é" * 129), {}, "258 bytes, the maximum is 256"),
    "id is a number": (product(product_id=17), {}, "product_id must be a string"),
    "title is an object": (product(title={"en": SECRET}), {}, "title must be a string"),
    "version is text": (product(version=SECRET), {}, "version must be a 64-bit integer"),
    "version is true": (product(version=True), {}, "version must be a 64-bit integer"),
    "version too large": (product(version=str(2**63)), {}, "version must be a 64-bit integer"),
    "version far too large": (b'{"product": {"product_id": "p", "version": 92233720368547758080}}', {}, "integer"),
    "version negative": (product(version=-1), {}, "from 0 to 2^63-1"),
    "version unknown": (product(version=0), {"timestamp_ms": -1}, "from 0 to 2^63-1"),
    "type unknown": ({**product(), "type": "zebra-striped"}, {}, "CREATED, UPDATED or DELETED"),
    "type in lower case": ({**product(), "type": "deleted"}, {}, "CREATED, UPDATED or DELETED"),
    "type is true": ({**product(), "type": True}, {}, "CREATED, UPDATED or DELETED"),
    "type unspecified without prefix": ({**product(), "type": "UNSPECIFIED"}, {}, "CREATED, UPDATED or DELETED"),
    "time wrong": ({**product(), "time": "yesterday"}, {}, "2026-01-31T12:00:00Z"),
    "time beyond numbers": ({**product(), "time": "2026-01-31T12:00:00.1e999Z"}, {}, "2026-01-31T12:00:00Z"),
    "time is a number": ({**product(), "time": 5}, {}, "2026-01-31T12:00:00Z"),
    "no text": (product(title="", description="<p>&nbsp;</p>"), {}, "no visible text"),
    "invisible text": (product(title="\u200b\u200d"), {}, "no visible text"),
    "too large": (product(description="x" * LIMIT), {}, "worker.max_value_bytes"),
    "content type": (product(), {"headers": [("content-type", b"text/plain")]}, "application/x-protobuf"),
    "other key": (product(), {"key": b"p2"}, "key"),
    "broken protobuf": (b"\xff\xff\xff", {"headers": PROTOBUF}, "binary protobuf"),
    "json as protobuf": (product(), {"headers": PROTOBUF}, "binary protobuf"),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_say_what_to_do_and_quote_nothing(case):
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
