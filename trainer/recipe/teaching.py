"""Settings of learning from teachers, which are finished bundles."""

from pydantic import BaseModel, ConfigDict, Field


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Distillation(_Settings):
    """Soft targets in addition to labels (Hinton et al. 2015).

    Tags are matched by name; tags that no teacher has are learnt from labels only.
    """

    teachers: tuple[str, ...] = Field(
        min_length=1, description="bundle folders, or `starter`; several teachers' probabilities are averaged"
    )
    weight: float = Field(default=0.5, gt=0, le=1, description="of the soft targets; the labels have 1 - weight")
    temperature: float = Field(default=2.0, ge=1, description="softens the probabilities of teachers and student")
    unlabelled: bool = Field(
        default=False, description="whether soft targets are also used for facets that a product is not labelled for"
    )


class PseudoLabels(_Settings):
    """Labels from teachers for facets that a product is not labelled for, in sources with `pseudo_labels`.

    A facet is labelled only if every teacher serves the same tags as AUTO and none has a tag of it in REVIEW.
    """

    teachers: tuple[str, ...] = Field(min_length=1, description="bundle folders, or `starter`")
    facets: tuple[str, ...] = Field(default=(), description="the facets to label; empty: all")
    per_label: float = Field(
        default=3.0, gt=0, description="a tag's pseudo-labels are at most this multiple of its labels"
    )
