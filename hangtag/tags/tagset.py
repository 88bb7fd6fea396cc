"""What is said of one product: scored tags to use and scored tags to look at."""

from dataclasses import dataclass
from enum import StrEnum

from hangtag.tags.thresholds import Band


class Source(StrEnum):
    """Who said it."""

    MODEL = "MODEL"
    RULE = "RULE"
    HUMAN = "HUMAN"


@dataclass(frozen=True, slots=True)
class ScoredTag:
    """A tag of the schema (`facet:value`) with its calibrated confidence in [0, 1]."""

    tag: str
    confidence: float
    source: Source
    band: Band


@dataclass(frozen=True, slots=True)
class TagSet:
    """`tags` are AUTO, `review` are REVIEW; both in the order of the facets, by falling confidence within one."""

    tags: tuple[ScoredTag, ...]
    review: tuple[ScoredTag, ...]
