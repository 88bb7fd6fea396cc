"""The tag schema of a training run, from the labelled products and the recipe's facets."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping

from pydantic import ValidationError

from hangtag.tags.about import About
from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.tags.tag import facet_of, value_of
from hangtag.trainer.data.category_path import level_above
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.recipe.recipe import FacetSettings, Recipe, RecipeError, reasons_of


def schema_of(recipe: Recipe, products: Iterable[LabelledProduct]) -> TagSchema:
    """Build the schema. A facet's values are those of the training products' tags, sorted.

    If the recipe has no facets, the facets are those of the data; a facet is `multi` if a product has two of its tags
    or if it has only one tag (a yes or no). The levels of a category path (`class_1`, `class_2`) are parents of each
    other.

    Raises:
        RecipeError: no product has a tag; a facet is only in the recipe or only in the data; a single facet has only
            one tag and products without it; or the schema contradicts itself.
    """
    products = list(products)
    values: dict[str, set[str]] = defaultdict(set)
    for product in products:
        for tag in product.tags:
            facet, value = facet_of(tag), value_of(tag)
            values[facet].add(value)
    settings = recipe.facets or _inferred_facets(products, values)
    if not values:
        msg = "no training product has a tag: label some, or name the facets' columns with --column facet.NAME=COLUMN"
        raise RecipeError(msg)
    stray = sorted(set(settings) ^ set(values))
    if stray:
        msg = f"facet {stray[0]!r} is only in the recipe or only in the data; the data has {sorted(values)}"
        raise RecipeError(msg)
    nones = {facet for product in products for facet in product.facets if not product.tags_of(facet)}
    for name, each in settings.items():
        if each.kind is FacetKind.SINGLE and len(values[name]) == 1 and name in nones:
            msg = f"facet {name!r} has only one tag, and products without it: set its kind to multi"
            raise RecipeError(msg)
    try:
        facets = tuple(
            Facet(name=name, values=tuple(sorted(values[name])), **facet.model_dump())
            for name, facet in settings.items()
        )
        return TagSchema(
            facets=facets,
            parents=_parents(facets, products),
            rules=recipe.rules,
            blocked=recipe.blocked,
            about=_about(recipe, facets),
            sensitive=recipe.sensitive,
        )
    except ValidationError as error:
        msg = f"recipe and data do not make a valid tag schema: {reasons_of(error)}"
        raise RecipeError(msg) from error


def _about(recipe: Recipe, facets: tuple[Facet, ...]) -> dict[str, About]:
    """What the recipe says about facets and tags; its further words for tags are synonyms."""
    about = dict(recipe.about)
    known = {tag for facet in facets for tag in facet.tags}
    for tag, words in recipe.words.items():
        if tag in known:
            before = about.get(tag, About())
            synonyms = dict.fromkeys((*before.synonyms, *words))
            about[tag] = About(**before.model_dump(exclude={"synonyms"}), synonyms=tuple(synonyms))
    return about


def _inferred_facets(products: list[LabelledProduct], values: dict[str, set[str]]) -> dict[str, FacetSettings]:
    most: Counter[str] = Counter()
    for product in products:
        for facet, count in Counter(facet_of(tag) for tag in product.tags).items():
            most[facet] = max(most[facet], count)
    kinds = {
        facet: FacetKind.MULTI if most[facet] > 1 or len(tags) == 1 else FacetKind.SINGLE
        for facet, tags in values.items()
    }
    above = {facet: level_above(facet) for facet in kinds}
    without_above = {
        facet
        for product in products
        for facet in product.facets
        if product.tags_of(facet) and not product.tags_of(above.get(facet, ""))
    }
    return {
        facet: FacetSettings(kind=kind, parent=above[facet] if _is_level(facet, above, kinds, without_above) else None)
        for facet, kind in sorted(kinds.items())
    }


def _is_level(
    facet: str, above: Mapping[str, str], kinds: Mapping[str, FacetKind], without_above: Container[str]
) -> bool:
    """Whether a facet is the level of a path below another one: then no product has its tags alone."""
    both = {kinds[facet], kinds.get(above[facet])}
    return both == {FacetKind.SINGLE} and facet not in without_above


def _parents(facets: tuple[Facet, ...], products: list[LabelledProduct]) -> dict[str, tuple[str, ...]]:
    above_of = {facet.name: facet.parent for facet in facets if facet.parent}
    found: dict[str, set[str]] = defaultdict(set)
    for product in products:
        by_facet = {facet_of(tag): tag for tag in product.tags}
        for facet, above in above_of.items():
            if facet in by_facet and above in by_facet:
                found[by_facet[facet]].add(by_facet[above])
    return {tag: tuple(sorted(above)) for tag, above in sorted(found.items())}
