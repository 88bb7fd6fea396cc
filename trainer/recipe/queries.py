"""Settings of the texts that people type."""

from pydantic import BaseModel, ConfigDict, Field

# The name of the list of words that is installed with the package: what people call the tags of the starter bundle.
STARTER_WORDS = "starter"
# Settings that only affect what is made from the trained network.
AFTER_TRAINING = {"wide_strength", "auto_precision", "min_auto"}


class Queries(BaseModel):
    """Texts like those that people type, made in each epoch from the labelled products and from the tags' names.

    A bundle that is trained with them has thresholds of its own for queries, and says whether a text is about a product
    at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_epoch: int = Field(default=8_000, ge=0, description="made texts per epoch, in addition to the products")
    shop_noise_in: float = Field(
        default=0.2, ge=0, le=1, description="a made text gets a habit of shops, as in `augmentation`"
    )
    words: str = Field(
        default="",
        description="a TOML file with further words for tags, in the tables nouns, needs and recipients, relative to "
        "--data; `starter`: that of the starter bundle; empty: only the tags' own names",
    )
    off_topic: int = Field(
        default=1_200, ge=0, description="made texts per epoch that are about no product (orders, places, letters)"
    )
    languages: tuple[str, ...] = Field(
        default=(),
        description="the languages of the products, by ISO 639-1 code: the bundle answers texts in other ones with a "
        "reason, not with tags, and is trained to take names of goods in them for off topic; empty: any language",
    )
    wide_strength: float = Field(
        default=0.0, ge=0, le=1, description="factor on the wide part's scores for queries; products have 1"
    )
    auto_precision: float | None = Field(
        default=None, gt=0, lt=1, description="the precision promised for AUTO tags of queries; absent: auto_precision"
    )
    min_auto: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="the lowest AUTO threshold of single facets but attributes for queries: made texts are easy",
    )
