"""Settings of the wide part."""

from pydantic import BaseModel, ConfigDict, Field


class WideSettings(BaseModel):
    """How the wide part is fitted and how much of it is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    single_ridge: float = Field(default=0.3, gt=0, description="L2 penalty; the n-grams of a text have length 1 to 2")
    multi_ridge: float = Field(default=1.0, gt=0, description="likewise, of multi facets")
    min_products: int = Field(default=2, ge=1, description="training products that an n-gram must occur in")
    max_share: float = Field(
        default=0.03,
        gt=0,
        le=1,
        description="character n-grams in more of the products are left out: slow",
    )
    max_word_share: float = Field(default=0.3, gt=0, le=1, description="likewise, of words and pairs of words")
    max_ngrams: int = Field(default=300_000, ge=1, description="the most frequent are kept")
    entries: int = Field(default=4_000_000, ge=1, description="weights that are kept, 2 bytes each: the largest")
    single_strength: float = Field(default=16.0, ge=0, description="factor on the scores of single facets")
    multi_strength: float = Field(default=7.0, ge=0, description="factor on the scores of multi facets")
