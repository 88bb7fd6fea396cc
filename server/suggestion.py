"""A text that tags are asked for, and what was found for it."""

from dataclasses import dataclass
from typing import NamedTuple

from hangtag.tags.tagset import TagSet
from hangtag.text.kind import TextKind
from hangtag.text.product_text import CleanedFields, LeftOut, ProductText
from hangtag.text.text_hash import text_hash

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
