"""The tag schema that labelled products and a recipe's facets add up to."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from hangtag.schema import Facet, FacetKind, TagSchema
from trainer.data.labelled import LabelledProduct
from trainer.recipe import FacetSettings, Recipe, RecipeError


def schema_of(recipe: Recipe, products: Iterable[LabelledProduct]) -> TagSchema:
    """Build the schema: a facet's values are the tags that its training products carry, sorted.

    Without facets in the recipe each facet of the data is one; it is `multi` where any product has two of its tags.

    Raises:
        RecipeError: a facet of the recipe has no labelled product, or the other way round.
    """
    products = list(products)
    values: dict[str, set[str]] = defaultdict(set)
    for product in products:
        for tag in product.tags:
            facet, value = tag.split(":", 1)
            values[facet].add(value)
    settings = recipe.facets or _told_from(products, values)
    stray = sorted(set(settings) ^ set(values))
    if stray:
        msg = f"facet {stray[0]!r} stands only in the recipe or only in the data; the data has {sorted(values)}"
        raise RecipeError(msg)
    facets = tuple(
        Facet(name=name, values=tuple(sorted(values[name])), **facet.model_dump()) for name, facet in settings.items()
    )
    return TagSchema(facets=facets, parents=_parents(facets, products), rules=recipe.rules, blocked=recipe.blocked)


def _told_from(products: list[LabelledProduct], values: dict[str, set[str]]) -> dict[str, FacetSettings]:
    most: Counter[str] = Counter()
    for product in products:
        for facet, count in Counter(tag.split(":", 1)[0] for tag in product.tags).items():
            most[facet] = max(most[facet], count)
    return {
        facet: FacetSettings(kind=FacetKind.MULTI if most[facet] > 1 else FacetKind.SINGLE) for facet in sorted(values)
    }


def _parents(facets: tuple[Facet, ...], products: list[LabelledProduct]) -> dict[str, tuple[str, ...]]:
    above_of = {facet.name: facet.parent for facet in facets if facet.parent}
    found: dict[str, set[str]] = defaultdict(set)
    for product in products:
        by_facet = {tag.split(":", 1)[0]: tag for tag in product.tags}
        for facet, above in above_of.items():
            if facet in by_facet and above in by_facet:
                found[by_facet[facet]].add(by_facet[above])
    return {tag: tuple(sorted(above)) for tag, above in sorted(found.items())}
