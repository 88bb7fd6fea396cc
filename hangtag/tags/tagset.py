"""The tags of one text: those to use and those for a person to review."""

from dataclasses import dataclass
from enum import StrEnum

from hangtag.tags.thresholds import Band


class Source(StrEnum):
    """What a tag comes from: a prediction, a rule of the schema, or a person."""

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
    """`tags` are AUTO, `review` are REVIEW; both in the schema's order of facets, then by falling confidence."""

    tags: tuple[ScoredTag, ...]
    review: tuple[ScoredTag, ...]
