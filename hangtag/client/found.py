"""What searches return: frozen dataclasses, whose names are those of docs/contracts.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hangtag.client.results import Band, NoTagsReason, Span, Tag, TagName


class TagUse(StrEnum):
    """How a tag of a text was used to find products."""

    FILTERED = "FILTERED"
    RANKED = "RANKED"
    EXCLUDED = "EXCLUDED"
    # In each of these types: a value of a later release, which this one does not know.
    OTHER = "OTHER"


class ClarifyEnd(StrEnum):
    """Why there is no question."""

    FEW_PRODUCTS = "FEW_PRODUCTS"
    NOTHING_DIVIDES = "NOTHING_DIVIDES"
    NO_PRODUCTS = "NO_PRODUCTS"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class IndexState:
    """What the index holds: all changes up to `as_of`; `lag_records` are not read yet."""

    as_of: datetime | None = None
    lag_records: int = 0
    products: int = 0
    offsets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class UsedTag:
    """A tag of a text, and how it was used."""

    tag: Tag
    use: TagUse


@dataclass(frozen=True, slots=True)
class UnderstoodText:
    """How a text was understood. Without a text everything is empty.

    Attributes:
        used: the tags of the text, and how each was used.
        no_tags_reason: why no tag of the text was used.
        spans: prices, sizes and quantities.
        understood_text: the text with the spelling that was understood, if it differs.
        language: the language of the text (ISO 639-1), if the model was not trained on it.
    """

    used: tuple[UsedTag, ...] = ()
    no_tags_reason: NoTagsReason | None = None
    spans: tuple[Span, ...] = ()
    understood_text: str = ""
    language: str = ""
    bundle_version: str = ""


@dataclass(frozen=True, slots=True)
class FoundProduct:
    """A product that was found; `score` is what the order is made of."""

    product_id: str
    version: int
    score: float
    matched: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class FacetCounts:
    """How many products have each value of a facet, most first; `distinct_values` counts those left out too."""

    facet: str
    values: Mapping[str, int]
    distinct_values: int = 0


@dataclass(frozen=True, slots=True)
class Relaxation:
    """How many products there are without some of the tags that were asked for."""

    without: tuple[TagName, ...]
    products: int


@dataclass(frozen=True, slots=True)
class Found:
    """A page of products, best first.

    Attributes:
        total: how many products there are in all pages.
        next_page_token: for the next page; empty on the last one.
        facets: counts of values, by facet.
        relaxations: without hits, what there is if a part of the query is dropped.
        text: how the text was understood.
        min_band: the band that tags must have; REVIEW where a text had no hits in AUTO.
    """

    products: tuple[FoundProduct, ...] = ()
    total: int = 0
    next_page_token: str = ""
    facets: Mapping[str, FacetCounts] = field(default_factory=dict)
    index: IndexState | None = None
    is_sampled: bool = False
    relaxations: tuple[Relaxation, ...] = ()
    text: UnderstoodText = UnderstoodText()
    min_band: Band | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the products."""
        return tuple(product.product_id for product in self.products)


@dataclass(frozen=True, slots=True)
class Choice:
    """An answer to a question: a value of its facet, what people are shown, and how many products are left with it."""

    value: str
    label: str
    products: int


@dataclass(frozen=True, slots=True)
class Question:
    """The next question, or in `end` why there is none.

    Attributes:
        facet: the facet asked about; empty if there is no question.
        question: the question in plain words.
        candidates: products that are left now.
        expected_candidates: products that are left after the answer, on average.
    """

    facet: str = ""
    question: str = ""
    choices: tuple[Choice, ...] = ()
    end: ClarifyEnd | None = None
    candidates: int = 0
    expected_candidates: float = 0.0
    index: IndexState | None = None
    text: UnderstoodText = UnderstoodText()


@dataclass(frozen=True, slots=True)
class SharedTag:
    """A tag that two products share, and how much it counts: the rarer, the more."""

    facet: str
    value: str
    weight: float


@dataclass(frozen=True, slots=True)
class SimilarProduct:
    """A product that is like another one; `score` is in [0, 1]."""

    product_id: str
    version: int
    score: float
    shared: tuple[SharedTag, ...] = ()


@dataclass(frozen=True, slots=True)
class ProfileTag:
    """A tag that stands out: the part of the products that have it, and how much more often than among all."""

    facet: str
    value: str
    share: float
    lift: float
    weight: float

    def __str__(self) -> str:
        return f"{self.facet}:{self.value}"


@dataclass(frozen=True, slots=True)
class Profile:
    """What products have in common, the tags with the largest weight first."""

    tags: tuple[ProfileTag, ...] = ()
    found: int = 0
    not_found: int = 0
    index: IndexState | None = None

    @property
    def boosts(self) -> Mapping[str, float]:
        """The weights by tag: `client.find(..., boosts=profile.boosts)`."""
        return {str(tag): tag.weight for tag in self.tags}
