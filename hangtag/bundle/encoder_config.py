"""The shape of a bundle's BERT encoder."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class EncoderConfig(BaseModel):
    """Sizes of a BERT encoder (learned positions, GELU with erf, layer norms after the residuals)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: int = Field(ge=1, le=256)
    hidden: int = Field(ge=1, le=65_536, description="width of a token's vector")
    heads: int = Field(ge=1, le=1_024)
    intermediate: int = Field(ge=1, le=262_144, description="width of the feed-forward part")
    vocab: int = Field(ge=1, le=10_000_000, description="rows of the word embedding")
    positions: int = Field(ge=1, le=1_000_000, description="rows of the position embedding")
    segments: int = Field(ge=1, le=1_024, description="rows of the segment embedding")
    norm_epsilon: float = Field(gt=0, lt=1)
    max_tokens: int = Field(ge=1, description="longer texts are truncated; special tokens included")
    tail_tokens: int = Field(default=0, ge=0, description="of max_tokens, those kept from the end of a longer text")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.hidden % self.heads:
            msg = f"hidden size {self.hidden} is not a multiple of {self.heads} heads"
            raise ValueError(msg)
        if self.max_tokens > self.positions:
            msg = f"max_tokens {self.max_tokens} is larger than the {self.positions} positions"
            raise ValueError(msg)
        if self.tail_tokens >= self.max_tokens:
            msg = f"tail_tokens {self.tail_tokens} must be smaller than max_tokens {self.max_tokens}"
            raise ValueError(msg)
        return self
