"""Attribute facets, such as color or audience: which they are, and the words that name their tags.

A model also predicts an attribute that a text says nothing about: for most shops a leather jacket is for men. Such a
guess is right for the products that it was measured on and wrong for others, so a tag of an attribute facet is AUTO
only if the text has a word for it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from hangtag.tags.naming import naming_of
from hangtag.tags.schema import Facet, TagSchema
from hangtag.tags.tag import facet_of, value_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.recipe.recipe import Recipe, RecipeError

# A facet that applies to all products is an attribute by default if this share of its labels is named by the text.
_NAMED_SHARE = 0.75
# A tag whose value hardly any of its texts uses: the value is a code (M) or in another language than the texts. Then a
# word of the titles is taken as its name if this share of the tag's titles has it, and this share of the titles with it
# has the tag. Fewer products than this prove nothing.
_CODED_SHARE = 0.05
_MIN_RECALL = 0.5
_MIN_PRECISION = 0.95
_MIN_PRODUCTS = 20

_WORD = re.compile(r"\w+")
Words = dict[str, tuple[str, ...]]


def words_of_attributes(schema: TagSchema, products: Sequence[LabelledProduct], recipe: Recipe) -> Words:
    """The words for every tag of the attribute facets, learned from labelled products; empty if there are none.

    A tag's words are its value in the usual forms, those that the recipe lists for it, and, where its texts hardly ever
    use these, the words that its titles use instead.

    Raises:
        RecipeError: the recipe lists an attribute facet or a tag that cannot be one.
    """
    above = {facet.parent for facet in schema.facets}
    alone = {facet.name: facet for facet in schema.facets if not facet.parent and facet.name not in above}
    for name in recipe.attributes or ():
        if name not in alone:
            msg = f"attributes: {name!r} is not a facet without parent and children: remove it"
            raise RecipeError(msg)
    for tag in recipe.words:
        if tag not in schema.index or facet_of(tag) not in alone:
            msg = f"words: {tag!r} is not a tag of a facet without parent and children: remove it"
            raise RecipeError(msg)
    result: Words = {}
    for name in alone if recipe.attributes is None else recipe.attributes:
        facet, labelled = alone[name], [product for product in products if product.tags_of(name)]
        words = _listed(facet, recipe.words)
        labels, named = _counted(facet, schema, labelled, words)
        is_named = labels.total() > 0 and named.total() >= _NAMED_SHARE * labels.total()
        if recipe.attributes is not None or facet.applies_when or is_named:
            coded = {tag for tag in facet.tags if named[tag] < _CODED_SHARE * labels[tag]}
            learned = _learned(facet, labelled, labels) if coded else {}
            result |= {tag: (*its, *(learned.get(tag, ()) if tag in coded else ())) for tag, its in words.items()}
    return result


def _listed(facet: Facet, further: Mapping[str, tuple[str, ...]]) -> Words:
    """The values of a facet's tags and the further words for them, in their usual forms."""
    words = {tag: (value_of(tag).lower(), *map(str.lower, further.get(tag, ()))) for tag in facet.tags}
    taken = {word for its_words in words.values() for word in its_words}
    return {
        tag: (*its_words, *(form for word in its_words for form in _forms(word) if form not in taken))
        for tag, its_words in words.items()
    }


def _counted(
    facet: Facet, schema: TagSchema, labelled: Sequence[LabelledProduct], words: Words
) -> tuple[Counter[str], Counter[str]]:
    """The number of products with each tag of a facet, and of those whose text names it."""
    naming = naming_of(schema, words)
    labels: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for product in labelled:
        tags = product.tags_of(facet.name)
        labels.update(tags)
        named.update(tags & naming.named(product.text))
    return labels, named


def _forms(word: str) -> tuple[str, ...]:
    """The plural or singular with an s of a Latin word: mens, girl. A possessive needs none: it is found as it is."""
    if not word.isascii() or not word[-1:].isalpha() or word.endswith("ss"):
        return ()
    return (word[:-1],) if word.endswith("s") else (f"{word}s",)


def _learned(facet: Facet, labelled: Sequence[LabelledProduct], products: Mapping[str, int]) -> Words:
    """The words that at least half of a tag's titles have, and hardly any other title."""
    having: Counter[str] = Counter()
    of_tag: Counter[tuple[str, str]] = Counter()
    for product in labelled:
        words = {word.lower() for word in _WORD.findall(product.title)}
        having.update(words)
        of_tag.update((tag, word) for tag in product.tags_of(facet.name) for word in words)
    found = defaultdict(list)
    for (tag, word), count in of_tag.items():
        is_common = count >= _MIN_PRODUCTS and count >= _MIN_RECALL * products[tag]
        if is_common and count >= _MIN_PRECISION * having[word]:
            found[tag].append(word)
    return {tag: tuple(sorted(words)) for tag, words in found.items()}
