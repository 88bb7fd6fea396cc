"""The text of a product as the encoder gets it."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import compress
from typing import NamedTuple

from hangtag.text.clean import clean_and_truncate
from hangtag.text.limits import MAX_CATEGORY_CHARS, MAX_DESCRIPTION_CHARS, MAX_TITLE_CHARS

_BETWEEN = " | "


@dataclass(frozen=True, slots=True)
class ProductText:
    """Cleaned text in two segments: `title | merchant category`, and the description (may be empty)."""

    first: str
    second: str = ""

    @staticmethod
    def of(title: str, description: str = "", merchant_category: str = "") -> "ProductText":
        """Clean the three texts and arrange them in segments. Either segment may be empty."""
        return CleanedFields.of(title, description, merchant_category).text

    @property
    def is_empty(self) -> bool:
        """True if there is nothing visible to tag."""
        return not (self.first or self.second)


class LeftOut(NamedTuple):
    """What the encoder does not read of a text: from and to which character of the first segment, and of the second."""

    first: tuple[int, int] = (0, 0)
    second: tuple[int, int] = (0, 0)


class Field(StrEnum):
    """A field of a text."""

    TITLE = "title"
    DESCRIPTION = "description"
    MERCHANT_CATEGORY = "merchant_category"


@dataclass(frozen=True, slots=True)
class CleanedFields:
    """A text and where its fields are in it. `cut`: the fields that cleaning has cut, because they are too long."""

    text: ProductText
    title_chars: int
    category_chars: int
    cut: frozenset[Field]

    @classmethod
    def of(cls, title: str, description: str = "", merchant_category: str = "") -> "CleanedFields":
        """Clean the fields and arrange them as a text. Each may be empty."""
        clean_title, is_title_cut = clean_and_truncate(title, MAX_TITLE_CHARS)
        clean_category, is_category_cut = clean_and_truncate(merchant_category, MAX_CATEGORY_CHARS)
        clean_description, is_description_cut = clean_and_truncate(description, MAX_DESCRIPTION_CHARS)
        cut = _fields(is_title_cut, is_description_cut, is_category_cut)
        return cls.of_cleaned(clean_title, clean_description, clean_category, cut)

    @classmethod
    def of_cleaned(
        cls, title: str, description: str = "", merchant_category: str = "", cut: frozenset[Field] = frozenset()
    ) -> "CleanedFields":
        """Arrange fields that were cleaned before, without cleaning them again: that may change a text."""
        first = f"{title}{_BETWEEN}{merchant_category}" if title and merchant_category else title or merchant_category
        return cls(ProductText(first, description), len(title), len(merchant_category), cut)

    @property
    def title(self) -> str:
        """The cleaned title."""
        return self.text.first[: self.title_chars]

    @property
    def merchant_category(self) -> str:
        """The cleaned category."""
        return self.text.first[len(self.text.first) - self.category_chars :]

    def not_read(self, left_out: LeftOut) -> frozenset[Field]:
        """The fields of which something was cut by cleaning, or is left out by the encoder."""
        start, end = left_out.first
        is_title_left_out = start < min(end, self.title_chars)
        is_category_left_out = end > max(start, len(self.text.first) - self.category_chars)
        return self.cut | _fields(is_title_left_out, left_out.second != (0, 0), is_category_left_out)


def _fields(title: bool, description: bool, merchant_category: bool) -> frozenset[Field]:
    return frozenset(compress(Field, (title, description, merchant_category)))
