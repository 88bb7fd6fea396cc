"""Settings of what teachers, which are finished bundles, tell a model in training."""

from pydantic import BaseModel, ConfigDict, Field


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Distillation(_Settings):
    """Soft targets beside the labels (Hinton et al. 2015). Tags are matched by name; others are learnt from labels."""

    teachers: tuple[str, ...] = Field(
        min_length=1, description="folders of bundles, or `starter`; of several the mean probability counts"
    )
    weight: float = Field(default=0.5, gt=0, le=1, description="of the teachers' word; the rest is the labels'")
    temperature: float = Field(default=2.0, ge=1, description="that flattens teachers and student alike")
    unlabelled: bool = Field(
        default=False, description="whether teachers also tell of facets that are not labelled for a product"
    )


class PseudoLabels(_Settings):
    """Labels from teachers for facets that a product is not labelled for (sources that say `pseudo_labels`).

    A facet's tags are taken only where every teacher serves the same ones as AUTO and none has one in REVIEW.
    """

    teachers: tuple[str, ...] = Field(min_length=1, description="folders of bundles, or `starter`")
    facets: tuple[str, ...] = Field(default=(), description="of these only; empty: of all")
    per_label: float = Field(
        default=3.0, gt=0, description="a tag is given to at most so many products for each that is labelled with it"
    )
