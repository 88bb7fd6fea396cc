"""What calls return: frozen dataclasses, whose names are those of docs/contracts.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Freshness(StrEnum):
    """How up to date the tags of a product are."""

    FRESH = "FRESH"
    STALE = "STALE"
    PENDING = "PENDING"
    UNKNOWN = "UNKNOWN"
    # In each of these types: a value of a later release, which this one does not know.
    OTHER = "OTHER"


class FreshnessReason(StrEnum):
    """Why a product is not FRESH."""

    VERSION_WAITING = "VERSION_WAITING"
    VERSION_REFUSED = "VERSION_REFUSED"
    VERSION_NOT_RECEIVED = "VERSION_NOT_RECEIVED"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    OTHER = "OTHER"


class Source(StrEnum):
    """Where a tag comes from."""

    MODEL = "MODEL"
    RULE = "RULE"
    HUMAN = "HUMAN"
    OTHER = "OTHER"


class Band(StrEnum):
    """How a tag may be used: as it is, or after a person has looked at it."""

    AUTO = "AUTO"
    REVIEW = "REVIEW"
    REJECT = "REJECT"
    OTHER = "OTHER"


class Verdict(StrEnum):
    """What people decided about a tag."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    OTHER = "OTHER"


class TextKind(StrEnum):
    """What kind of text is tagged."""

    PRODUCT = "PRODUCT"
    QUERY = "QUERY"
    OTHER = "OTHER"


class NoTagsReason(StrEnum):
    """Why there are no tags."""

    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    FILTERED = "FILTERED"
    LANGUAGE_NOT_SUPPORTED = "LANGUAGE_NOT_SUPPORTED"
    OFF_TOPIC = "OFF_TOPIC"
    TOO_SHORT = "TOO_SHORT"
    OTHER = "OTHER"


class SpanKind(StrEnum):
    """What a part of a text is that is recognised and gets no tag."""

    PRICE = "PRICE"
    SIZE = "SIZE"
    QUANTITY = "QUANTITY"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag. `confidence` is the calibrated probability that it fits, in [0, 1].

    Attributes:
        supported_by: in suggestions up to 3 words of the text that support the tag, the strongest first.
        is_named: in suggestions whether the text has a word for the tag, and does not only suggest it.
    """

    facet: str
    value: str
    confidence: float
    source: Source
    band: Band
    supported_by: tuple[str, ...] = ()
    is_named: bool = False

    def __str__(self) -> str:
        return f"{self.facet}:{self.value}"


@dataclass(frozen=True, slots=True)
class TagName:
    """A tag without a confidence."""

    facet: str
    value: str

    def __str__(self) -> str:
        return f"{self.facet}:{self.value}"


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text, as it was written, that is recognised and gets no tag: `under $50`."""

    kind: SpanKind
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What people decided about one tag of one product."""

    facet: str
    value: str
    verdict: Verdict


class _Tagged:
    """What products and texts have in common."""

    __slots__ = ()
    tags: tuple[Tag, ...]

    @property
    def facets(self) -> Mapping[str, tuple[Tag, ...]]:
        """The tags to use, by facet, in the order of the tag schema."""
        found: dict[str, list[Tag]] = {}
        for tag in self.tags:
            found.setdefault(tag.facet, []).append(tag)
        return {facet: tuple(tags) for facet, tags in found.items()}

    def values(self, facet: str) -> tuple[str, ...]:
        """The values of a facet, the surest first: `product.values("color")`."""
        return tuple(tag.value for tag in self.tags if tag.facet == facet)

    def value(self, facet: str) -> str | None:
        """The surest value of a facet, or None: `product.value("class")`."""
        return next((tag.value for tag in self.tags if tag.facet == facet), None)

    def __contains__(self, tag: object) -> bool:
        """Whether there is this tag, written `facet:value`: `"color:red" in product`."""
        return any(str(each) == tag for each in self.tags)


@dataclass(frozen=True, slots=True)
class ProductTags(_Tagged):
    """The tags of one version of a product.

    Attributes:
        version: the product version that was tagged; 0 without tags.
        tags: tags to use.
        review: tags that a person should look at first.
        freshness: whether the tags are those of the newest version known at `as_of`.
        as_of: the time for which the answer holds, by the server's clock; None where the server did not say.
        known_version: the newest version that was received, if it is newer than `version`, else 0.
        eta_ms: in how many milliseconds the tags of `known_version` are expected, if that is known.
        bundle_version: the model bundle that predicted the tags.
        no_tags_reason: why `tags` is empty, if that is known.
        language: the language of the text (ISO 639-1), if the model was not trained on it.
        newer_bundle_version: the bundle that is in use now, if the tags were made before it was put into use.
    """

    product_id: str
    version: int = 0
    tags: tuple[Tag, ...] = ()
    review: tuple[Tag, ...] = ()
    freshness: Freshness = Freshness.UNKNOWN
    freshness_reason: FreshnessReason | None = None
    as_of: datetime | None = None
    known_version: int = 0
    eta_ms: int | None = None
    bundle_version: str = ""
    tagged_at: datetime | None = None
    decisions: tuple[Decision, ...] = ()
    no_tags_reason: NoTagsReason | None = None
    language: str = ""
    newer_bundle_version: str = ""

    @property
    def is_known(self) -> bool:
        """False if the product was never received, is deleted, or was refused before it had tags."""
        return self.freshness is not Freshness.UNKNOWN

    @property
    def is_fresh(self) -> bool:
        """Whether the tags are those of the newest version known at `as_of`."""
        return self.freshness is Freshness.FRESH


@dataclass(frozen=True, slots=True)
class Suggestion(_Tagged):
    """The tags of a text.

    Attributes:
        tags: tags to use.
        review: tags to ask the customer about.
        kind: the kind of text that was assumed.
        no_tags_reason: why `tags` is empty: what a bot would answer.
        truncated_fields: fields of the request that were not read completely.
        none_of: tags that a query says it does not want; they are never in `tags` or `review`.
        spans: prices, sizes and quantities of a query.
        understood_text: the query with the spelling that was understood, if it differs from what was sent.
        language: the language of the text (ISO 639-1), if the model was not trained on it.
    """

    tags: tuple[Tag, ...] = ()
    review: tuple[Tag, ...] = ()
    kind: TextKind = TextKind.OTHER
    bundle_version: str = ""
    no_tags_reason: NoTagsReason | None = None
    truncated_fields: tuple[str, ...] = ()
    none_of: tuple[TagName, ...] = ()
    spans: tuple[Span, ...] = ()
    understood_text: str = ""
    language: str = ""
