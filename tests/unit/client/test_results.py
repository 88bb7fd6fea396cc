"""Messages of the server as results, and its errors as exceptions."""

import copy
import pickle

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from hangtag.client import (
    Band,
    CallError,
    ClarifyEnd,
    Freshness,
    FreshnessReason,
    NoTagsReason,
    NotFoundError,
    ProductTags,
    ServerFaultError,
    Source,
    Span,
    SpanKind,
    Suggestion,
    Tag,
    TagName,
    TagUse,
    TextKind,
    Verdict,
    errors,
)
from hangtag.client.products import Products
from hangtag.client.reading import product_of, suggestion_of, unknown_product
from hangtag.server.errors import DETAILS_KEY, Reason
from hangtag.server.errors import CallError as ServersError
from hangtag.v1 import tags_pb2

LATER = 99  # a value of an enumeration that a later release may add
ENUMS = {
    "FRESHNESS": (tags_pb2.Freshness, Freshness),
    "FRESHNESS_REASON": (tags_pb2.FreshnessReason, FreshnessReason),
    "SOURCE": (tags_pb2.Source, Source),
    "BAND": (tags_pb2.Band, Band),
    "VERDICT": (tags_pb2.Verdict, Verdict),
    "TEXT_KIND": (tags_pb2.TextKind, TextKind),
    "NO_TAGS_REASON": (tags_pb2.NoTagsReason, NoTagsReason),
    "SPAN_KIND": (tags_pb2.SpanKind, SpanKind),
    "TAG_USE": (tags_pb2.TagUse, TagUse),
    "CLARIFY_END": (tags_pb2.ClarifyEnd, ClarifyEnd),
}


@pytest.mark.parametrize(("prefix", "kinds"), ENUMS.items(), ids=list(ENUMS))
def test_enumerations_have_the_values_of_the_contract(prefix, kinds):
    numbers, kind = kinds

    assert {f"{prefix}_{each.name}" for each in kind if each.name != "OTHER"} == {
        name for name, number in numbers.items() if number
    }


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (ProductTags, tags_pb2.GetProductTagsResponse),
        (Suggestion, tags_pb2.SuggestTagsResponse),
        (Tag, tags_pb2.Tag),
        (TagName, tags_pb2.TagName),
        (Span, tags_pb2.Span),
    ],
)
def test_the_fields_are_those_of_the_message(result, message):
    assert set(result.__dataclass_fields__) == {each.name for each in message.DESCRIPTOR.fields}


def test_what_a_query_says_is_in_the_suggestion():
    answer = suggestion_of(
        tags_pb2.SuggestTagsResponse(
            tags=[tags_pb2.Tag(facet="class", value="shirts", supported_by=["shirt"], is_named=True)],
            none_of=[tags_pb2.TagName(facet="color", value="black")],
            spans=[
                tags_pb2.Span(kind=tags_pb2.SPAN_KIND_PRICE, text="under $50"),
                tags_pb2.Span(kind=LATER, text="today"),
            ],
            understood_text="shirt not black",
            language="de",
        )
    )

    assert (answer.tags[0].supported_by, answer.tags[0].is_named) == (("shirt",), True)
    assert [str(tag) for tag in answer.none_of] == ["color:black"]
    assert answer.spans == (Span(SpanKind.PRICE, "under $50"), Span(SpanKind.OTHER, "today"))
    assert (answer.understood_text, answer.language) == ("shirt not black", "de")


def test_what_a_later_release_says_is_other():
    tag = tags_pb2.Tag(facet="f", value="v", source=LATER, band=LATER)
    product = product_of(
        tags_pb2.GetProductTagsResponse(
            tags=[tag],
            freshness=LATER,
            freshness_reason=LATER,
            no_tags_reason=LATER,
            decisions=[tags_pb2.Decision(verdict=LATER)],
            eta_ms=0,
        )
    )
    answer = suggestion_of(tags_pb2.SuggestTagsResponse(kind=LATER, no_tags_reason=LATER, truncated_fields=["text"]))

    assert (product.tags[0].source, product.tags[0].band) == (Source.OTHER, Band.OTHER)
    assert (product.freshness, product.freshness_reason) == (Freshness.OTHER, FreshnessReason.OTHER)
    assert (product.no_tags_reason, product.decisions[0].verdict) == (NoTagsReason.OTHER, Verdict.OTHER)
    assert (product.eta_ms, product.as_of, product.tagged_at) == (0, None, None)
    assert (answer.kind, answer.no_tags_reason, answer.truncated_fields) == (
        TextKind.OTHER,
        NoTagsReason.OTHER,
        ("text",),
    )


def test_results_are_frozen_and_can_be_copied_and_pickled():
    messages = [tags_pb2.GetProductTagsResponse(product_id=each, tags=[tags_pb2.Tag(facet="f")]) for each in "ab"]
    products = Products([*messages, unknown_product("c", NotFoundError("", status="NOT_FOUND"))])

    with pytest.raises(AttributeError):
        products[0].version = 3
    assert pickle.loads(pickle.dumps(products)) == copy.deepcopy(products) == products
    assert products[0] is products[0]
    assert [each.product_id for each in products[1:]] == ["b", "c"]
    assert products == list(products) != [products[0]]
    assert repr(products) == repr(list(products))
    assert len(set(products)) == 3


def raised(error: ServersError, metadata: bytes | None = None) -> AioRpcError:
    trailing = Metadata((DETAILS_KEY, error.details() if metadata is None else metadata))
    return AioRpcError(error.code, Metadata(), trailing, error.message)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_reason_of_the_server_is_an_exception_of_its_own_kind(reason):
    error = errors.error_of(raised(ServersError(reason, "what happened", 0.25)), "h:1", 1)

    assert (error.reason, error.status, error.attempts) == (reason.label, reason.code.name, 1)
    retried = reason.code in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}
    assert error.retry_after_s == (0.25 if retried else None)
    # The server's message says what to do.
    assert str(error) == f"what happened ({reason.code.name}, {reason.label}; h:1)"
    is_fault = reason.code is grpc.StatusCode.INTERNAL
    assert (type(error) is ServerFaultError) is is_fault
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("metadata", [b"", b"\xff\xff", b"\x1a\x02\x0a\x00"], ids=["empty", "no message", "no detail"])
def test_details_that_cannot_be_read_count_as_not_said(metadata):
    error = errors.error_of(raised(ServersError(Reason.SERVER_STOPPING, "bye"), metadata), "h:1", 2)

    assert (error.reason, error.retry_after_s) == (None, None)
    assert str(error).startswith("bye (UNAVAILABLE; h:1, attempt 2); next: check that the server runs")


def test_the_reason_of_another_service_is_not_ours():
    details = ServersError(Reason.SERVER_STOPPING, "").details().replace(b"hangtag", b"another")
    error = errors.error_of(raised(ServersError(Reason.SERVER_STOPPING, "bye"), details), "h:1", 1)

    assert (error.reason, error.retry_after_s) == (None, 0.05)


def test_every_error_says_what_to_do():
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, CallError)]

    assert len({each.next_step for each in kinds if each is not ServerFaultError}) == len(kinds) - 1
