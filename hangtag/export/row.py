"""One product as a row of an export."""

from typing import Any

from hangtag.records import decode_tags
from hangtag.tags.tag import facet_of, value_of
from hangtag.tags.tagset import ScoredTag

# Digits of a confidence: it is stored in 32 bits, which have no more.
_DIGITS = 6


def row_of(payload: bytes, sequence: int, revision: int) -> dict[str, Any]:
    """A serialised `ProductTags` as a row: tags and decisions are lists of objects, `tagged_at` is in ms since 1970.

    With `version`, the bundle's `sequence` and the `revision` of people's decisions say which record of the product is
    newer.

    Raises:
        ValueError: see `decode_tags`.
    """
    product = decode_tags(payload)
    no_tags = product.tags.no_tags
    return {
        "product_id": product.product_id,
        "version": product.version,
        "sequence": sequence,
        "revision": revision,
        "tags": [_tag(each) for each in product.tags.tags],
        "review": [_tag(each) for each in product.tags.review],
        "no_tags_reason": no_tags.name if no_tags else "",
        "language": product.tags.language,
        "bundle_version": product.bundle_version,
        "tagged_at": product.tagged_at_ms,
        "decisions": [
            {"facet": facet_of(each.tag), "value": value_of(each.tag), "is_accepted": each.is_accepted}
            for each in product.decisions
        ],
    }


def _tag(scored: ScoredTag) -> dict[str, Any]:
    return {
        "facet": facet_of(scored.tag),
        "value": value_of(scored.tag),
        "confidence": round(scored.confidence, _DIGITS),
        "source": scored.source.value,
    }
