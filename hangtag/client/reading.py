"""Messages of the server as results."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp

from hangtag.client.errors import NotFoundError
from hangtag.client.results import (
    Band,
    Decision,
    Freshness,
    FreshnessReason,
    NoTagsReason,
    ProductTags,
    Source,
    Span,
    SpanKind,
    Suggestion,
    Tag,
    TagName,
    TextKind,
    Verdict,
)
from hangtag.v1 import tags_pb2

_Enum = TypeVar("_Enum", bound=StrEnum)


def members(numbers: Any, kind: type[_Enum], prefix: str) -> dict[int, _Enum]:
    """The member for each number that is sent; 0 means that nothing is said."""
    wrapper: EnumTypeWrapper = numbers
    return {wrapper.Value(f"{prefix}_{each.name}"): each for each in kind if each.name != "OTHER"}


_FRESHNESS = members(tags_pb2.Freshness, Freshness, "FRESHNESS")
_SOURCES = members(tags_pb2.Source, Source, "SOURCE")
_BANDS = members(tags_pb2.Band, Band, "BAND")
_VERDICTS = members(tags_pb2.Verdict, Verdict, "VERDICT")
_KINDS = members(tags_pb2.TextKind, TextKind, "TEXT_KIND")
_SPANS = members(tags_pb2.SpanKind, SpanKind, "SPAN_KIND")
_REASONS: dict[int, FreshnessReason | None] = {
    0: None,
    **members(tags_pb2.FreshnessReason, FreshnessReason, "FRESHNESS_REASON"),
}
_NO_TAGS: dict[int, NoTagsReason | None] = {0: None, **members(tags_pb2.NoTagsReason, NoTagsReason, "NO_TAGS_REASON")}

# The `__init__` of a frozen dataclass takes twice as long as to set its slots, and an answer has several tags.
_new = object.__new__
_PRODUCT: tuple[Any, ...] = tuple(getattr(ProductTags, each.name).__set__ for each in fields(ProductTags))
_set_facet, _set_value, _set_confidence, _set_source, _set_band, _set_supported_by, _set_is_named = (
    getattr(Tag, each.name).__set__ for each in fields(Tag)
)


def product_of(message: tags_pb2.GetProductTagsResponse) -> ProductTags:
    """The tags of a product."""
    product = _new(ProductTags)
    for set_field, value in zip(
        _PRODUCT,
        (
            message.product_id,
            message.version,
            tags_of(message.tags),
            tags_of(message.review) if message.review else (),
            _FRESHNESS.get(message.freshness, Freshness.OTHER),
            _REASONS.get(message.freshness_reason, FreshnessReason.OTHER),
            time_of(message.as_of) if message.HasField("as_of") else None,
            message.known_version,
            message.eta_ms if message.HasField("eta_ms") else None,
            message.bundle_version,
            time_of(message.tagged_at) if message.HasField("tagged_at") else None,
            _decisions(message.decisions) if message.decisions else (),
            _NO_TAGS.get(message.no_tags_reason, NoTagsReason.OTHER),
            message.language,
            message.newer_bundle_version,
        ),
        strict=True,
    ):
        set_field(product, value)
    return product


def unknown_product(product_id: str, error: NotFoundError) -> ProductTags:
    """The result of a look-up that the server ended with NOT_FOUND."""
    refused = FreshnessReason.VERSION_REFUSED if error.reason == "PRODUCT_REFUSED" else None
    return ProductTags(product_id, freshness_reason=refused)


def suggestion_of(message: tags_pb2.SuggestTagsResponse) -> Suggestion:
    """The tags of a text."""
    return Suggestion(
        tags_of(message.tags),
        tags_of(message.review),
        _KINDS.get(message.kind, TextKind.OTHER),
        message.bundle_version,
        no_tags_reason_of(message.no_tags_reason),
        tuple(message.truncated_fields),
        tuple(TagName(each.facet, each.value) for each in message.none_of),
        spans_of(message.spans),
        message.understood_text,
        message.language,
    )


def band_of(number: int) -> Band:
    """A band."""
    return _BANDS.get(number, Band.OTHER)


def no_tags_reason_of(number: int) -> NoTagsReason | None:
    """Why there are no tags; None if nothing is said."""
    return _NO_TAGS.get(number, NoTagsReason.OTHER)


def spans_of(messages: Iterable[tags_pb2.Span]) -> tuple[Span, ...]:
    """Prices, sizes and quantities."""
    return tuple(Span(_SPANS.get(each.kind, SpanKind.OTHER), each.text) for each in messages)


def tags_of(messages: Iterable[tags_pb2.Tag]) -> tuple[Tag, ...]:
    """Tags, in their order."""
    # A list is filled faster than a generator is run.
    return tuple([tag_of(each) for each in messages])


def tag_of(message: tags_pb2.Tag) -> Tag:
    """A tag."""
    tag = _new(Tag)
    _set_facet(tag, message.facet)
    _set_value(tag, message.value)
    _set_confidence(tag, message.confidence)
    _set_source(tag, _SOURCES.get(message.source, Source.OTHER))
    _set_band(tag, _BANDS.get(message.band, Band.OTHER))
    _set_supported_by(tag, tuple(message.supported_by) if message.supported_by else ())
    _set_is_named(tag, message.is_named)
    return tag


def _decisions(messages: Iterable[tags_pb2.Decision]) -> tuple[Decision, ...]:
    return tuple(Decision(each.facet, each.value, _VERDICTS.get(each.verdict, Verdict.OTHER)) for each in messages)


def time_of(message: Timestamp) -> datetime:
    """A time, in UTC."""
    return datetime.fromtimestamp(message.seconds + message.nanos / 1e9, UTC)
