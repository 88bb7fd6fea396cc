"""Tags that a recipe knows of products without a label: those of every product of a file, those that a title names."""

import re
from collections.abc import Iterable, Mapping

from hangtag.tags.tag import facet_of
from hangtag.trainer.data.labelled import LabelledProduct, with_tags
from hangtag.trainer.data.scripts import is_unspaced
from hangtag.trainer.data.words import whole_words
from hangtag.trainer.recipe.recipe import Source

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


def weakly_labelled(products: Iterable[LabelledProduct], source: Source) -> list[LabelledProduct]:
    """The products with the tags that the source's settings add; labels of the data are never changed.

    A title that names what contradicts a label adds nothing: a bag "for a dress" is no dress in any facet.
    """
    tags_of_word = {word: group.tags for group in source.named_by for word in group.words}
    patterns = _patterns(tags_of_word)
    return [with_tags(product, (*source.assume, *_named(product, tags_of_word, patterns))) for product in products]


def _patterns(words: Iterable[str]) -> list[re.Pattern[str]]:
    """Where no space stands between words, only the listed ones can be told from their neighbours."""
    unspaced = tuple(word for word in words if any(map(is_unspaced, word)))
    return [_WORD, *([whole_words(unspaced)] if unspaced else [])]


def _named(
    product: LabelledProduct, tags_of_word: Mapping[str, tuple[str, ...]], patterns: Iterable[re.Pattern[str]]
) -> tuple[str, ...]:
    title = product.text.first.lower()
    found = [(match.start(), match.group()) for pattern in patterns for match in pattern.finditer(title)]
    # Shops put what a thing is last: "Women Blue Denim Jacket" is a jacket.
    _, last = max((each for each in found if each[1] in tags_of_word), default=(0, ""))
    tags = tags_of_word.get(last, ())
    return () if any(_contradicts(product, tag) for tag in tags) else tags


def _contradicts(product: LabelledProduct, tag: str) -> bool:
    labels = product.tags_of(facet_of(tag))
    return bool(labels) and tag not in labels
