"""Two thresholds per tag cut a confidence into its band."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Band(StrEnum):
    """AUTO is served, REVIEW is for a person to look at, REJECT is not served."""

    AUTO = "AUTO"
    REVIEW = "REVIEW"
    REJECT = "REJECT"


class Cut(BaseModel):
    """From `auto` on a confidence is AUTO, from `review` on REVIEW, below REJECT. Above 1: never."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    auto: float = Field(ge=0, le=2)
    review: float = Field(ge=0, le=2)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.review > self.auto:
            msg = f"review threshold {self.review} lies above the auto threshold {self.auto}"
            raise ValueError(msg)
        return self


class Thresholds(BaseModel):
    """The cut of every tag of a schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tags: dict[str, Cut]


class Calibration(BaseModel):
    """One temperature per facet: scores are divided by it before softmax or sigmoid (Guo et al. 2017, section 4.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperatures: dict[str, float]
