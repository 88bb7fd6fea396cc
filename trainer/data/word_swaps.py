"""Swapping words of a product: for synonyms, which keeps the labels, or for another value of a facet."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hangtag.tags.schema import TagSchema
from hangtag.tags.tag import value_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.words import whole_words
from hangtag.trainer.recipe.recipe import RecipeError

Values = Mapping[str, tuple[str, ...]]


def swappable_values(schema: TagSchema, facets: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The values of these facets, without blocked ones.

    Raises:
        RecipeError: a facet is not single, or has a parent or children, whose labels would become wrong.
    """
    alone = {chain[0].name: chain[0] for chain in schema.chains if len(chain) == 1}
    for name in facets:
        if name not in alone:
            msg = f"augmentation.values_of: {name!r} is not a single facet without parent and children: remove it"
            raise RecipeError(msg)
    blocked = set(schema.blocked)
    return {name: tuple(value for value in alone[name].values if f"{name}:{value}" not in blocked) for name in facets}


def with_other_value(product: LabelledProduct, values: Values, rng: random.Random) -> LabelledProduct:
    """Swap values in text and labels: `red dress` becomes `blue dress`, and `color:red` becomes `color:blue`.

    A facet is changed only if the product has exactly one tag of it, whose value is the only one named in the title.
    """
    for facet, its_values in values.items():
        tags = product.tags_of(facet)
        others = [value for value in its_values if f"{facet}:{value}" not in tags]
        if len(tags) != 1 or not others:
            continue
        (tag,) = tags
        value = value_of(tag)
        named = {found.group().casefold() for found in whole_words(its_values).finditer(product.title)}
        if named != {value.casefold()}:
            continue
        other = rng.choice(others)
        title, description = (_replaced(value, other, text) for text in (product.title, product.description))
        tags_now = product.tags - tags | {f"{facet}:{other}"}
        product = replace(product, title=title, description=description, tags=tags_now)
    return product


def with_synonyms(text: str, groups: tuple[tuple[str, ...], ...], rng: random.Random) -> str:
    """Replace every word that is in a group by a random word of that group, possibly itself."""
    group_of = {word.casefold(): group for group in groups for word in group}

    def other(found: re.Match[str]) -> str:
        # Some letters match when case is ignored, but fold to something else: the dotted capital I of Turkish.
        group = group_of.get(found.group().casefold())
        return _cased(rng.choice(group), found.group()) if group else found.group()

    return whole_words(tuple(group_of)).sub(other, text)


def _replaced(value: str, other: str, text: str) -> str:
    return whole_words((value,)).sub(lambda found: _cased(other, found.group()), text)


def _cased(word: str, like: str) -> str:
    """Give the word the capitalisation of `like`."""
    if like.isupper() and len(like) > 1:
        return word.upper()
    if like.istitle() and " " in like:
        return word.title()
    return word[:1].upper() + word[1:] if like[:1].isupper() else word
