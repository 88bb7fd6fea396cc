"""The tags that there are: frozen dataclasses, whose names are those of docs/contracts.md."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hangtag.client.found import IndexState
from hangtag.client.results import TagName


@dataclass(frozen=True, slots=True)
class TagInfo:
    """One tag. `value` is its stable id, `label` what people are shown.

    Attributes:
        auto_from: the confidence from which products get it in AUTO; None if they never do.
        review_from: the confidence from which products get it in REVIEW; None if they never do.
        products: products that have it in AUTO; None if the index could not be reached.
        review_products: products that have it in REVIEW; None likewise.
        is_sensitive: it says something personal; profiles leave it out.
    """

    value: str
    label: str
    description: str = ""
    synonyms: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    parents: tuple[TagName, ...] = ()
    codes: Mapping[str, str] = field(default_factory=dict)
    auto_from: float | None = None
    review_from: float | None = None
    products: int | None = None
    review_products: int | None = None
    is_blocked: bool = False
    is_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class FacetInfo:
    """One facet and its tags, by value. `applies_with`: only products with one of these tags have tags of the facet."""

    facet: str
    label: str
    description: str = ""
    is_multi: bool = False
    parent_facet: str = ""
    applies_with: tuple[TagName, ...] = ()
    is_sensitive: bool = False
    tags: Mapping[str, TagInfo] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TagList:
    """The facets, by name, in the schema's order."""

    facets: Mapping[str, FacetInfo]
    bundle_version: str = ""
    schema_hash: str = ""
    index: IndexState | None = None

    def __iter__(self) -> Iterator[FacetInfo]:
        return iter(self.facets.values())
