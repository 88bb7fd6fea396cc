"""Thresholds turn a calibrated confidence into a band."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hangtag.tags.keyed import Keyed


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
    """The thresholds of every tag of a schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tags: dict[str, TagThresholds]


class Calibration(BaseModel):
    """One temperature per facet: logits are divided by it before softmax or sigmoid (Guo et al. 2017, section 4.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperatures: dict[str, float]


KeyedThresholds = Keyed[Thresholds]
KeyedCalibration = Keyed[Calibration]
