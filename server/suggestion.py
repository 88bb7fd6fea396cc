"""A text that tags are asked for, and what was found for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from hangtag.records import no_tags_reason, tag_message
from hangtag.tags.tagset import TagSet
from hangtag.text.kind import TextKind
from hangtag.text.product_text import CleanedFields, LeftOut, ProductText
from hangtag.text.text_hash import text_hash
from hangtag.v1 import tags_pb2

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
    """The tags of a text, and what the encoder did not read of it."""

    tags: TagSet
    left_out: LeftOut = LeftOut()
    bundle_version: str = ""


def usual_kind(description: str, merchant_category: str) -> TextKind:
    """The kind of a text of which the caller does not say it."""
    return TextKind.PRODUCT if description or merchant_category else TextKind.QUERY


def suggestion_message(
    tags: TagSet, kind: TextKind, bundle_version: str, truncated_fields: Iterable[str] = ()
) -> tags_pb2.SuggestTagsResponse:
    """The answer to a text, before a filter."""
    return tags_pb2.SuggestTagsResponse(
        tags=map(tag_message, tags.tags),
        review=map(tag_message, tags.review),
        bundle_version=bundle_version,
        kind=KIND_VALUES[kind],
        no_tags_reason=no_tags_reason(tags),
        truncated_fields=truncated_fields,
    )
