"""The text of a product as the encoder gets it."""

from dataclasses import dataclass
from typing import Self

from hangtag.text.clean import clean_text
from hangtag.text.limits import MAX_CATEGORY_CHARS, MAX_DESCRIPTION_CHARS, MAX_TITLE_CHARS


@dataclass(frozen=True, slots=True)
class ProductText:
    """Cleaned text in two segments: `title | merchant category`, and the description (may be empty)."""

    first: str
    second: str = ""

    @classmethod
    def of(cls, title: str, description: str = "", merchant_category: str = "") -> Self:
        """Clean the three texts and arrange them in segments. Either segment may be empty."""
        clean_title = clean_text(title, MAX_TITLE_CHARS)
        clean_category = clean_text(merchant_category, MAX_CATEGORY_CHARS)
        first = f"{clean_title} | {clean_category}" if clean_title and clean_category else clean_title or clean_category
        return cls(first, clean_text(description, MAX_DESCRIPTION_CHARS))

    @property
    def is_empty(self) -> bool:
        """True if there is nothing visible to tag."""
        return not (self.first or self.second)
