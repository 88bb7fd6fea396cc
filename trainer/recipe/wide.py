"""Settings of the wide part."""

from pydantic import BaseModel, ConfigDict, Field


class WideSettings(BaseModel):
    """How the wide part is fitted and pruned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    single_ridge: float = Field(
        default=0.3, gt=0, description="L2 penalty for single facets; a text's n-gram vector has a norm of 1 to 2"
    )
    multi_ridge: float = Field(default=1.0, gt=0, description="L2 penalty for multi facets")
    min_products: int = Field(default=2, ge=1, description="n-grams in fewer training products are left out")
    max_share: float = Field(
        default=0.03,
        gt=0,
        le=1,
        description="character n-grams in a larger share of the products are left out, for speed",
    )
    max_word_share: float = Field(
        default=0.3, gt=0, le=1, description="words and word pairs in a larger share of the products are left out"
    )
    max_ngrams: int = Field(default=300_000, ge=1, description="if there are more, the most frequent are kept")
    entries: int = Field(default=4_000_000, ge=1, description="the number of weights to keep, 2 bytes each")
    single_strength: float = Field(default=16.0, ge=0, description="factor on the scores of single facets")
    multi_strength: float = Field(default=7.0, ge=0, description="factor on the scores of multi facets")
