"""Weak labels: tags that a recipe assumes for all products of a file, or infers from words in titles."""

import re
from collections.abc import Iterable, Mapping

from hangtag.tags.tag import facet_of
from hangtag.trainer.data.labelled import LabelledProduct, with_tags
from hangtag.trainer.data.scripts import is_unspaced
from hangtag.trainer.data.words import whole_words
from hangtag.trainer.recipe.recipe import Source

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


def weakly_labelled(products: Iterable[LabelledProduct], source: Source) -> list[LabelledProduct]:
    """Add the tags of the source's `assume` and `named_by`; labels in the data are never changed.

    If a tag inferred from a title contradicts a label, none of the word's tags is added: a bag "for a dress" is not a
    dress in any facet.
    """
    tags_of_word = {word: group.tags for group in source.named_by for word in group.words}
    patterns = _patterns(tags_of_word)
    return [
        with_tags(product, (*source.assume, *_inferred_tags(product, tags_of_word, patterns))) for product in products
    ]


def _patterns(words: Iterable[str]) -> list[re.Pattern[str]]:
    """Patterns that find words in a title. In scripts without spaces, only the listed words can be found."""
    unspaced = tuple(word for word in words if any(map(is_unspaced, word)))
    return [_WORD, *([whole_words(unspaced)] if unspaced else [])]


def _inferred_tags(
    product: LabelledProduct, tags_of_word: Mapping[str, tuple[str, ...]], patterns: Iterable[re.Pattern[str]]
) -> tuple[str, ...]:
    title = product.text.first.lower()
    found = [(match.start(), match.group()) for pattern in patterns for match in pattern.finditer(title)]
    # The last word usually names the kind of product: "Women Blue Denim Jacket" is a jacket.
    _, last = max((each for each in found if each[1] in tags_of_word), default=(0, ""))
    tags = tags_of_word.get(last, ())
    return () if any(_contradicts(product, tag) for tag in tags) else tags


def _contradicts(product: LabelledProduct, tag: str) -> bool:
    labels = product.tags_of(facet_of(tag))
    return bool(labels) and tag not in labels
