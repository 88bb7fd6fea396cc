"""The tags of one text: those to use and those for a person to review."""

from dataclasses import dataclass
from enum import StrEnum

from hangtag.tags.thresholds import Band
from hangtag.text.understood import NoTags


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
    """`tags` are AUTO, `review` are REVIEW; both in the schema's order of facets, then by falling confidence.

    `language` (ISO 639-1) is that of a text in a language that the bundle was not trained on, else empty. With a
    `refusal` there are no tags.
    """

    tags: tuple[ScoredTag, ...]
    review: tuple[ScoredTag, ...]
    refusal: NoTags | None = None
    language: str = ""

    @property
    def no_tags(self) -> NoTags | None:
        """Why there are no tags to use; None if there are."""
        if self.tags:
            return None
        return self.refusal or (NoTags.LANGUAGE_NOT_SUPPORTED if self.language else NoTags.LOW_CONFIDENCE)
