"""One product as a row of an export."""

from typing import Any

from google.protobuf.message import DecodeError

from hangtag.v1 import tags_pb2

# Digits of a confidence: it is stored in 32 bits, which have no more.
_DIGITS = 6
# Numbers as names; 0, which is "not set", is empty.
_SOURCES = {number: name.removeprefix("SOURCE_") for name, number in tags_pb2.Source.items()}
_REASONS = {number: name.removeprefix("NO_TAGS_REASON_") for name, number in tags_pb2.NoTagsReason.items()} | {0: ""}
# What a later release has added.
_OTHER = "OTHER"


def row_of(payload: bytes, sequence: int, revision: int) -> dict[str, Any]:
    """A serialised `ProductTags` as a row: tags and decisions are lists of objects, `tagged_at` is in ms since 1970.

    With `version`, the bundle's `sequence` and the `revision` of people's decisions say which record of the product is
    newer.

    Raises:
        ValueError: the bytes are no such message.
    """
    try:
        product = tags_pb2.ProductTags.FromString(payload)
    except (DecodeError, UnicodeDecodeError) as error:
        msg = "the value is not a serialised hangtag.v1.ProductTags"
        raise ValueError(msg) from error
    return {
        "product_id": product.product_id,
        "version": product.version,
        "sequence": sequence,
        "revision": revision,
        "tags": [_tag(each) for each in product.tags],
        "review": [_tag(each) for each in product.review],
        "no_tags_reason": _REASONS.get(product.no_tags_reason, _OTHER),
        "language": product.language,
        "bundle_version": product.bundle_version,
        "tagged_at": product.tagged_at.ToMilliseconds(),
        "decisions": [
            {
                "facet": each.facet,
                "value": each.value,
                "is_accepted": each.verdict == tags_pb2.VERDICT_ACCEPTED,
            }
            for each in product.decisions
        ],
    }


def _tag(tag: tags_pb2.Tag) -> dict[str, Any]:
    return {
        "facet": tag.facet,
        "value": tag.value,
        "confidence": round(tag.confidence, _DIGITS),
        "source": _SOURCES.get(tag.source, _OTHER),
    }
