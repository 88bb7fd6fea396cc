"""Tags that a recipe knows of products without a label: those of every product of a file, those that a title names."""

import re
from collections.abc import Iterable

from trainer.data.labelled import LabelledProduct, with_tags
from trainer.recipe import Source

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


def weakly_labelled(products: Iterable[LabelledProduct], source: Source) -> list[LabelledProduct]:
    """The products with the tags that the source's settings add; labels of the data are never changed."""
    tags_of_word = {word: group.tags for group in source.named_by for word in group.words}
    return [with_tags(product, (*source.assume, *_named(product, tags_of_word))) for product in products]


def _named(product: LabelledProduct, tags_of_word: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    # Shops put what a thing is last: "Women Blue Denim Jacket" is a jacket.
    for word in reversed(_WORD.findall(product.text.first.lower())):
        if word in tags_of_word:
            return tags_of_word[word]
    return ()
