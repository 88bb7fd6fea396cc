"""What a text says beside what a model reads of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hangtag.text.product_text import ProductText


class NoTags(StrEnum):
    """Why a text has no tags to use."""

    # The model read the text, and no tag was sure enough.
    LOW_CONFIDENCE = "low_confidence"
    # The text is in a language that the bundle was not trained on.
    LANGUAGE_NOT_SUPPORTED = "language_not_supported"
    # The text is not about a product.
    OFF_TOPIC = "off_topic"
    # The text has no word for a thing, only a brand, attributes, sizes, prices or what is not wanted.
    TOO_SHORT = "too_short"


class SpanKind(StrEnum):
    """What a part of a text is that is recognised and gets no tag."""

    PRICE = "price"
    SIZE = "size"
    QUANTITY = "quantity"


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text as it was written: `under $50`, `size 10`, `2 pack`."""

    kind: SpanKind
    text: str


@dataclass(frozen=True, slots=True)
class Understood:
    """A text as it was understood.

    `text` is what the model reads: of a query, without what it does not want and without prices. `excluded` are the
    tags that the text does not want, in the schema's order. With a `refusal`, which only queries have, there are no
    tags. `language` (ISO 639-1) is that of a text in a language that the bundle was not trained on. `spelling` is the
    complete text with words as they were understood, if it differs. `written` maps words of `text` to the words that
    were written for them. `fitted` are words for what the thing fits, not for what it is: `iphone` of `case for
    iphone`. A `doubted` tag is at most in REVIEW.
    """

    text: ProductText
    excluded: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    refusal: NoTags | None = None
    language: str = ""
    spelling: str = ""
    written: Mapping[str, str] = field(default_factory=dict)
    fitted: frozenset[str] = frozenset()
    doubted: frozenset[str] = frozenset()


# Of a text of which nothing was read beside its tokens.
UNREAD = Understood(ProductText(""))
