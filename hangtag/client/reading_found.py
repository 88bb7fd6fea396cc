"""Messages of searches as results."""

from collections.abc import Iterable
from typing import Any

from hangtag.client.found import (
    Choice,
    ClarifyEnd,
    FacetCounts,
    Found,
    FoundProduct,
    IndexState,
    Profile,
    ProfileTag,
    Question,
    Relaxation,
    SharedTag,
    SimilarProduct,
    TagUse,
    UnderstoodText,
    UsedTag,
)
from hangtag.client.reading import band_of, members, no_tags_reason_of, spans_of, tag_of, tags_of, time_of
from hangtag.client.results import TagName
from hangtag.client.tag_list import FacetInfo, TagInfo, TagList
from hangtag.v1 import tags_pb2

_USES = members(tags_pb2.TagUse, TagUse, "TAG_USE")
_ENDS: dict[int, ClarifyEnd | None] = {0: None, **members(tags_pb2.ClarifyEnd, ClarifyEnd, "CLARIFY_END")}


def found_of(message: tags_pb2.FindProductsResponse) -> Found:
    """A page of products."""
    return Found(
        tuple(
            [
                FoundProduct(each.product_id, each.version, each.score, tags_of(each.matched))
                for each in message.products
            ]
        ),
        message.total,
        message.next_page_token,
        {each.facet: _counts(each) for each in message.facets},
        _index(message),
        message.is_sampled,
        tuple(Relaxation(_names(each.without), each.products) for each in message.relaxations),
        _text(message),
        band_of(message.min_band) if message.min_band else None,
    )


def question_of(message: tags_pb2.ClarifyResponse) -> Question:
    """The next question."""
    return Question(
        message.facet,
        message.question,
        tuple(Choice(each.value, each.label, each.products) for each in message.choices),
        _ENDS.get(message.end, ClarifyEnd.OTHER),
        message.candidates,
        message.expected_candidates,
        _index(message),
        _text(message),
    )


def similar_of(message: tags_pb2.SimilarProductsResponse) -> list[SimilarProduct]:
    """Products that are like one."""
    return [
        SimilarProduct(
            each.product_id,
            each.version,
            each.score,
            tuple(SharedTag(tag.facet, tag.value, tag.weight) for tag in each.shared),
        )
        for each in message.products
    ]


def profile_of(message: tags_pb2.TagProfileResponse) -> Profile:
    """What products have in common."""
    return Profile(
        tuple(ProfileTag(each.facet, each.value, each.share, each.lift, each.weight) for each in message.tags),
        message.found,
        message.not_found,
        _index(message),
    )


def tag_list_of(message: tags_pb2.ListTagsResponse) -> TagList:
    """The tags that there are."""
    return TagList(
        {each.facet: _facet(each) for each in message.facets},
        message.bundle_version,
        message.schema_hash,
        _index(message),
    )


def _facet(message: tags_pb2.FacetInfo) -> FacetInfo:
    return FacetInfo(
        message.facet,
        message.label,
        message.description,
        message.is_multi,
        message.parent_facet,
        _names(message.applies_with),
        message.is_sensitive,
        {each.value: _tag_info(each) for each in message.tags},
    )


def _tag_info(message: tags_pb2.TagInfo) -> TagInfo:
    return TagInfo(
        message.value,
        message.label,
        message.description,
        tuple(message.synonyms),
        tuple(message.examples),
        _names(message.parents),
        dict(message.codes),
        message.auto_from if message.HasField("auto_from") else None,
        message.review_from if message.HasField("review_from") else None,
        message.products if message.HasField("products") else None,
        message.review_products if message.HasField("review_products") else None,
        message.is_blocked,
        message.is_sensitive,
    )


def _text(message: tags_pb2.FindProductsResponse | tags_pb2.ClarifyResponse) -> UnderstoodText:
    return UnderstoodText(
        tuple(UsedTag(tag_of(each.tag), _USES.get(each.use, TagUse.OTHER)) for each in message.used),
        no_tags_reason_of(message.no_tags_reason),
        spans_of(message.spans),
        message.understood_text,
        message.language,
        message.bundle_version,
    )


def _counts(message: tags_pb2.FacetCounts) -> FacetCounts:
    return FacetCounts(message.facet, {each.value: each.products for each in message.values}, message.distinct_values)


def _names(messages: Iterable[tags_pb2.TagName]) -> tuple[TagName, ...]:
    return tuple(TagName(each.facet, each.value) for each in messages)


def _index(message: Any) -> IndexState | None:
    if not message.HasField("index"):
        return None
    index = message.index
    as_of = time_of(index.as_of) if index.HasField("as_of") else None
    return IndexState(as_of, index.lag_records, index.products, tuple(index.offsets))
