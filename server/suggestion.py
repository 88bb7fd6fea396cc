"""A text that tags are asked for, and what was found for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from hangtag.evidence.support import Support
from hangtag.records import no_tags_reason, tag_message
from hangtag.tagger.suggested import Suggested
from hangtag.tags.tag import facet_of, value_of
from hangtag.tags.tagset import ScoredTag
from hangtag.text.kind import TextKind
from hangtag.text.product_text import CleanedFields, LeftOut, ProductText
from hangtag.text.text_hash import text_hash
from hangtag.text.understood import SpanKind
from hangtag.v1 import tags_pb2

_SPAN_KINDS = {kind: tags_pb2.SpanKind.Value(f"SPAN_KIND_{kind.name}") for kind in SpanKind}
KIND_VALUES = {TextKind.PRODUCT: tags_pb2.TEXT_KIND_PRODUCT, TextKind.QUERY: tags_pb2.TEXT_KIND_QUERY}

# A text of one kind: equal for equal cleaned texts.
Key = tuple[bytes, TextKind]


@dataclass(frozen=True, slots=True)
class Asked:
    """A cleaned text that is not empty, and its kind."""

    fields: CleanedFields
    kind: TextKind

    @property
    def text(self) -> ProductText:
        """The text as the tagger gets it."""
        return self.fields.text

    def key(self) -> Key:
        """Equal for texts that get the same tags from the same bundle."""
        # A hash, so that what is kept of a text does not grow with it.
        return text_hash(self.text, ""), self.kind


class Suggestion(NamedTuple):
    """What was found for a text, and what the encoder did not read of it.

    `release` is `Release.answers` of what tagged it.
    """

    found: Suggested
    left_out: LeftOut = LeftOut()
    bundle_version: str = ""
    release: tuple[str, int] = ("", 0)


def usual_kind(description: str, merchant_category: str) -> TextKind:
    """The kind of a text of which the caller does not say it."""
    return TextKind.PRODUCT if description or merchant_category else TextKind.QUERY


def suggestion_message(
    found: Suggested, kind: TextKind, bundle_version: str, truncated_fields: Iterable[str] = ()
) -> tags_pb2.SuggestTagsResponse:
    """The answer to a text, before a filter."""
    understood = found.understood
    return tags_pb2.SuggestTagsResponse(
        tags=(_explained(scored, found.support) for scored in found.tags.tags),
        review=(_explained(scored, found.support) for scored in found.tags.review),
        bundle_version=bundle_version,
        kind=KIND_VALUES[kind],
        no_tags_reason=no_tags_reason(found.tags),
        truncated_fields=truncated_fields,
        none_of=(tags_pb2.TagName(facet=facet_of(tag), value=value_of(tag)) for tag in understood.excluded),
        spans=(tags_pb2.Span(kind=_SPAN_KINDS[span.kind], text=span.text) for span in understood.spans),
        understood_text=understood.spelling,
        language=found.tags.language,
    )


def _explained(scored: ScoredTag, support: Mapping[str, Support]) -> tags_pb2.Tag:
    message = tag_message(scored)
    if (its_support := support.get(scored.tag)) is not None:
        message.supported_by.extend(its_support.words)
        message.is_named = its_support.is_named
    return message
