"""Inputs whose structure is right and whose values are not, which changes of bytes hardly reach."""

import json
import unicodedata

import hypothesis
import pytest
from hypothesis import strategies as st

from hangtag.records import EventError, decode_event
from hangtag.text.clean import clean_text
from hangtag.v1 import events_pb2, tags_pb2
from tests.fuzz.targets import events, messages, requests, tagged_records, texts

# In every text of a product, and in no message.
WORD = "Zwetschgenmus"

stable = hypothesis.settings(max_examples=100, derandomize=True, database=None)
text = st.one_of(st.text(max_size=30), st.sampled_from(["", " ", "\x00", "\u202e", "a" * 300, "\ufdfa" * 50]))
anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        text,
        st.sampled_from(["1e400", "-0", "9" * 19, "9" * 20, " 1", "2026-02-30T00:00:00Z", "9999-12-31T23:59:60+23:59"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
    max_leaves=6,
)
names = st.sampled_from(["product_id", "productId", "version", "language", "event_id", "type", "time", "product", "x"])
secret_texts = st.builds(lambda before, after: f"{before} {WORD} {after}", text, text)
secret_names = st.sampled_from(["title", "description", "merchant_category", "merchantCategory"])


def reason_of(value: bytes, *headers: tuple[str, bytes]) -> str:
    """Why an event is refused; empty if it is not."""
    try:
        decode_event(value, None, headers, 1, len(value))
    except EventError as error:
        return error.reason
    return ""


@stable
@hypothesis.given(st.dictionaries(names, anything), st.dictionaries(names, anything), secret_names, secret_texts)
def test_json_of_any_types_is_an_event_or_a_clear_error_without_the_texts(outer, product, name, secret):
    value = json.dumps(outer | {"product": product | {name: secret}}).encode()

    events.target(value)
    assert WORD not in reason_of(value)


@stable
@hypothesis.given(
    text, st.integers(-(2**63), 2**63 - 1), secret_texts, st.integers(-(2**31), 2**31 - 1), st.binary(max_size=9)
)
def test_any_values_in_protobuf_are_an_event_or_a_clear_error_without_the_texts(
    product_id, number, secret, small, after
):
    event = events_pb2.ProductEvent(event_id=product_id)
    event.product.product_id, event.product.version = product_id, number
    event.product.title = event.product.description = secret
    event.time.seconds, event.time.nanos = number, small
    value = event.SerializeToString() + after

    messages.target(value)
    assert WORD not in reason_of(value, ("content-type", b"application/x-protobuf"))


@stable
@hypothesis.given(st.lists(text, max_size=5), text, st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**31 - 1))
def test_any_values_of_requests_are_accepted_or_refused(ids, words, number, kind):
    get = tags_pb2.GetProductTagsRequest(product_id=words, min_version=number)
    batch = tags_pb2.BatchGetProductTagsRequest(product_ids=ids)
    suggest = tags_pb2.SuggestTagsRequest(text=words, description=words, kind=kind)

    for method, request in enumerate((get, batch, suggest)):
        requests.target(bytes([method]) + request.SerializeToString())


headers = st.one_of(st.integers().map(str), text, st.just("ab" * 32), st.none())


@stable
@hypothesis.given(st.dictionaries(st.sampled_from(tagged_records.NAMES), headers), st.booleans())
def test_any_headers_of_a_tagged_record_are_read_or_refused(found, has_value):
    own = {name: None if value is None else value.encode()[:200] for name, value in found.items()}

    tagged_records.target(tagged_records.record(b"sku-1", own, tagged_records.TAGS if has_value else None))


@stable
@hypothesis.given(st.text(alphabet=st.characters(codec=None), max_size=200))
def test_any_text_is_cleaned_once_and_for_all(value):
    texts.target(value.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "marks", ["\u0301", "\u0301\u0323", "\u0315\u0300\u0323", "\u0f81", "\uff9e\u0301", "\u3099\u0334"]
)
def test_marks_after_the_thirtieth_in_a_row_are_left_out(marks):
    cleaned = clean_text("a" + marks * 1_000 + "b " + "c" + marks * 10)

    assert cleaned[0] in "a\u00e1\u1ea1"
    assert len(cleaned) < 100
    assert "b" in cleaned
    assert cleaned == clean_text(cleaned)


def test_the_marks_of_a_language_stay():
    # Vietnamese, pointed Hebrew, Arabic, Thai, Tibetan.
    for word in (
        "ti\u1ebfng Vi\u1ec7t",
        "\u05e9\u05b8\u05dc\u05d5\u05b9\u05dd",
        "\u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f",
        "\u0e1c\u0e39\u0e49",
        "\u0f66\u0f90\u0f71",
    ):
        assert clean_text(word) == unicodedata.normalize("NFKC", word)
