"""The shape of a bundle's BERT encoder."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class EncoderConfig(BaseModel):
    """Sizes of a BERT encoder (learned positions, GELU with erf, norms after the residuals)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: int = Field(ge=1, le=256)
    hidden: int = Field(ge=1, le=65_536, description="width of a token's vector")
    heads: int = Field(ge=1, le=1_024)
    intermediate: int = Field(ge=1, le=262_144, description="width of the feed-forward part")
    vocab: int = Field(ge=1, le=10_000_000, description="rows of the word embedding")
    positions: int = Field(ge=1, le=1_000_000, description="rows of the position embedding")
    segments: int = Field(ge=1, le=1_024, description="rows of the segment embedding")
    norm_epsilon: float = Field(gt=0, lt=1)
    max_tokens: int = Field(ge=1, description="texts are cut to this many tokens, special tokens included")
    # Left out where it is 0, so that bundles made before it was known keep their version.
    tail_tokens: int = Field(
        default=0, ge=0, exclude_if=lambda value: value == 0, description="of these, taken from the end of longer texts"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.hidden % self.heads:
            msg = f"hidden size {self.hidden} is no multiple of {self.heads} heads"
            raise ValueError(msg)
        if self.max_tokens > self.positions:
            msg = f"max_tokens {self.max_tokens} is more than the {self.positions} positions"
            raise ValueError(msg)
        if self.tail_tokens >= self.max_tokens:
            msg = f"tail_tokens {self.tail_tokens} leaves nothing of {self.max_tokens} tokens for the beginning"
            raise ValueError(msg)
        return self
