"""Thresholds turn a calibrated confidence into a band."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from hangtag.tags.keyed import Keyed
from hangtag.tags.tag import facet_of


class Band(StrEnum):
    """AUTO is served, REVIEW is for a person to review, REJECT is not served."""

    AUTO = "AUTO"
    REVIEW = "REVIEW"
    REJECT = "REJECT"


class TagThresholds(BaseModel):
    """The lowest confidences of the bands AUTO and REVIEW; below `review` is REJECT. Above 1: never reached."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    auto: float = Field(ge=0, le=2)
    review: float = Field(ge=0, le=2)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.review > self.auto:
            msg = f"the review threshold {self.review} is above the auto threshold {self.auto}"
            raise ValueError(msg)
        return self

    def band(self, confidence: float) -> Band:
        """The band of a confidence."""
        if confidence >= self.auto:
            return Band.AUTO
        return Band.REVIEW if confidence >= self.review else Band.REJECT


class Thresholds(BaseModel):
    """The thresholds of every tag of a schema, and the words that tags of attribute facets need to be AUTO.

    A facet with a tag in `words` is an attribute facet: a tag of it is AUTO only if the text names it, by the words
    listed for the tag; otherwise it is at most in REVIEW. `languages` (ISO 639-1) are those of the texts that the
    thresholds were set on; a text in another language has no tags to use. Empty: any language.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tags: dict[str, TagThresholds]
    words: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    languages: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")], ...] = ()

    @model_validator(mode="after")
    def _words_of_known_tags(self) -> Self:
        if unknown := self.words.keys() - self.tags.keys():
            msg = f"there are words for {min(unknown)!r}, but no thresholds"
            raise ValueError(msg)
        return self

    @model_serializer(mode="wrap")
    def _without_empty_fields(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A bundle without attribute facets, or without languages, keeps its files and its version.
        content: dict[str, Any] = handler(self)
        return {name: value for name, value in content.items() if value or name == "tags"}

    @property
    def attributes(self) -> frozenset[str]:
        """The facets whose tags need a word in the text to be AUTO."""
        return frozenset(map(facet_of, self.words))


class Calibration(BaseModel):
    """One temperature per facet: logits are divided by it before softmax or sigmoid (Guo et al. 2017, section 4.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperatures: dict[str, float]


KeyedThresholds = Keyed[Thresholds]
KeyedCalibration = Keyed[Calibration]
