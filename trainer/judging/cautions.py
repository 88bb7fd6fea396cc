"""What makes the figures of a run too good, or its promises impossible: seen in the data before training."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hangtag.tags.schema import FacetKind, TagSchema
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.promise import min_products
from hangtag.trainer.recipe.recipe import Recipe

# Up to this share of the products, copies and contradictions move a figure by two points at most.
_SMALL_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Caution:
    """What is wrong with the data and what to do. If `is_grave`, figures or promises of the run would mean nothing."""

    text: str
    is_grave: bool


def cautions_of(
    training: Sequence[LabelledProduct],
    validation: Sequence[LabelledProduct],
    calibration: Sequence[LabelledProduct],
    schema: TagSchema,
    recipe: Recipe,
) -> list[Caution]:
    """Look for copied and contradictory products, facets with one value, and promises that cannot be reached.

    `calibration` are the products that thresholds are set on: those of the validation files if there are no others.
    """
    parts = [("validation", validation)]
    if calibration is not validation:
        parts.append(("calibration", calibration))
    return [
        *(caution for part, products in parts for caution in _copies(part, products, training)),
        *_contradictions([*training, *validation], schema),
        *_facets_with_one_value(training, schema),
        *_promises_out_of_reach(calibration, schema, recipe),
    ]


def copies_of(products: Sequence[LabelledProduct], training: Sequence[LabelledProduct]) -> int:
    """The number of products with the text of a training product, whatever its case."""
    known = {key for product in training if (key := _key(product.text))}
    return sum(_key(product.text) in known for product in products)


def _key(text: ProductText) -> tuple[str, str] | None:
    return None if text.is_empty else (text.first.casefold(), text.second.casefold())


def _copies(part: str, products: Sequence[LabelledProduct], training: Sequence[LabelledProduct]) -> Iterator[Caution]:
    if copies := copies_of(products, training):
        share = copies / len(products)
        yield Caution(
            f"{copies:,} of {len(products):,} {part} products ({share:.2%}) have the text of a training product, so "
            "the model has seen their labels: split the products again with `hangtag data split`, which keeps equal "
            "texts together",
            share > _SMALL_SHARE,
        )


def _contradictions(products: Sequence[LabelledProduct], schema: TagSchema) -> Iterator[Caution]:
    by_text: defaultdict[tuple[str, str], list[LabelledProduct]] = defaultdict(list)
    for product in products:
        if key := _key(product.text):
            by_text[key].append(product)
    groups = [group for group in by_text.values() if len(group) > 1]
    for facet in schema.facets:
        labelled = sum(facet.name in product.facets for product in products)
        contrary = 0
        example: tuple[LabelledProduct, LabelledProduct] | None = None
        for group in groups:
            ours = [product for product in group if facet.name in product.facets]
            other = next((each for each in ours if each.tags_of(facet.name) != ours[0].tags_of(facet.name)), None)
            if other is not None:
                contrary += len(ours)
                example = example or (ours[0], other)
        if example is not None:
            share = contrary / labelled
            yield Caution(
                f"{facet.name}: {contrary:,} of {labelled:,} products ({share:.2%}) have the text of another product "
                f"with other labels, such as {_quoted(example[0])} and {_quoted(example[1])}, so no model can be right "
                "for all of them: correct the labels (`hangtag data check` lists the pairs), or add the text that "
                "tells the products apart",
                share > _SMALL_SHARE,
            )


def _facets_with_one_value(training: Sequence[LabelledProduct], schema: TagSchema) -> Iterator[Caution]:
    for facet in schema.facets:
        labelled = [product for product in training if facet.name in product.facets]
        if len(facet.tags) == 1 and all(facet.tags[0] in product.tags for product in labelled):
            yield Caution(
                f"{facet.name} has one value, {facet.values[0]}, and every product has it, so every prediction is "
                "right and says nothing: add products with other values or with none, or leave the facet out",
                is_grave=True,
            )


def _promises_out_of_reach(products: Sequence[LabelledProduct], schema: TagSchema, recipe: Recipe) -> Iterator[Caution]:
    """Tags of a single facet can share a promise; a tag of a multi facet needs enough products of its own."""
    needed = min_products(recipe.auto_precision, recipe.auto_confidence)
    without: dict[str, int] = {}
    for facet in schema.facets:
        counts = Counter(tag for product in products for tag in product.tags_of(facet.name) if tag in schema.index)
        most = max(counts.values(), default=0) if facet.kind is FacetKind.MULTI else counts.total()
        if most < needed:
            without[facet.name] = most
    if without:
        figures = ", ".join(f"{name} (at most {most:,})" for name, most in without.items())
        whose = "no tag" if len(without) == len(schema.facets) else f"no tag of {', '.join(without)}"
        yield Caution(
            f"{whose} can be AUTO: the promise of {recipe.auto_precision:.0%} needs {needed} validation products that "
            f"are predicted without a mistake, and there are too few with a tag: {figures}; add labelled products, or "
            "set a lower auto_precision in a recipe",
            len(without) == len(schema.facets),
        )


def _quoted(product: LabelledProduct) -> str:
    return repr(product.product_id[:40])
