"""What a bundle makes of the products of a category that it has no examples of."""

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict, Field

from hangtag.tagger.tagger import Tagger
from hangtag.tags.schema import Facet, TagSchema
from hangtag.tags.tag import facet_of
from hangtag.tags.tagset import TagSet
from hangtag.tags.thresholds import Band
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.evaluate import logits_of, served_tags

# Tags that products get in place of the one that was left out.
_INSTEAD = 5


class FacetAnswers(BaseModel):
    """The `products` labelled for a facet by what they get: each counts once.

    With AUTO tags they are `auto_right` or, if one of these contradicts the labels, `auto_wrong`; with tags in REVIEW
    alone they are `review`, of which `review_right` have a labelled tag among them; else they have `nothing`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    facet: str
    products: int = Field(ge=0)
    auto_wrong: int = Field(ge=0)
    auto_right: int = Field(ge=0)
    review: int = Field(ge=0)
    review_right: int = Field(ge=0)
    nothing: int = Field(ge=0)


class Instead(BaseModel):
    """A tag that `products` of the products get in the facet of the one that was left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tag: str
    band: Band
    products: int = Field(ge=1)


class LeftOut(BaseModel):
    """The answers for all products with `tag`, by a model that was trained on `trained` products, none of them these.

    `facets` are what these products get, `others` what the remaining validation products get, and `instead` the most
    common tags in the facet of the tag.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tag: str
    trained: int = Field(ge=1)
    facets: tuple[FacetAnswers, ...]
    others: tuple[FacetAnswers, ...]
    instead: tuple[Instead, ...]


def left_out_answers(
    tagger: Tagger, tag: str, products: Sequence[LabelledProduct], others: Sequence[LabelledProduct], trained: int
) -> LeftOut:
    """Tag the products of a tag that was left out, and others that training has not seen either."""
    schema = tagger.bundle.schema
    served, of_others = (served_tags(tagger, some, logits_of(tagger, some)) for some in (products, others))
    instead = Counter(
        (each.tag, each.band)
        for tags in served
        for each in (*tags.tags, *tags.review)
        if facet_of(each.tag) == facet_of(tag)
    )
    return LeftOut(
        tag=tag,
        trained=trained,
        facets=tuple(_answers(schema, products, served)),
        others=tuple(_answers(schema, others, of_others)),
        instead=tuple(
            Instead(tag=its_tag, band=band, products=count) for (its_tag, band), count in instead.most_common(_INSTEAD)
        ),
    )


def _answers(
    schema: TagSchema, products: Sequence[LabelledProduct], served: Sequence[TagSet]
) -> Iterator[FacetAnswers]:
    for facet in schema.facets:
        counts = Counter(
            kind
            for product, tags in zip(products, served, strict=True)
            if facet.name in product.facets
            for kind in _kinds(facet, product, tags)
        )
        if counts["products"]:
            yield FacetAnswers(
                facet=facet.name,
                **{name: counts[name] for name in FacetAnswers.model_fields if name != "facet"},
            )


def _kinds(facet: Facet, product: LabelledProduct, tags: TagSet) -> Iterator[str]:
    auto, review = (
        {each.tag for each in some if facet_of(each.tag) == facet.name} for some in (tags.tags, tags.review)
    )
    yield "products"
    if auto:
        yield "auto_right" if auto <= product.tags else "auto_wrong"
    elif review:
        yield "review"
        if not review.isdisjoint(product.tags):
            yield "review_right"
    else:
        yield "nothing"
