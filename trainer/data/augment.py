"""Changed copies of training products: what shops leave out, say otherwise or add, and how people mistype."""

import random
import string
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

from trainer.data.labelled import LabelledProduct
from trainer.data.word_swaps import Values, with_other_value, with_synonyms
from trainer.recipe import Augmentation

# Words shorter than this are not mistyped.
_LETTERS = 3
# How often a sentence is added behind the description, not before it.
_BEHIND = 0.5


_NO_VALUES: Values = MappingProxyType({})


def augmented(
    product: LabelledProduct, settings: Augmentation, rng: random.Random, values: Values = _NO_VALUES
) -> LabelledProduct:
    """The product as one epoch sees it. Something of its text is always left.

    Its labels stay, except where a facet of `values` (facet to its values) gets another one, in text and label alike.
    """
    # An option that is off draws nothing, so that the runs of a recipe without it stay the same.
    if settings.swap_values_in and rng.random() < settings.swap_values_in:
        product = with_other_value(product, values, rng)
    title, description, category = product.title, product.description, product.merchant_category
    if settings.swap_synonyms_in and rng.random() < settings.swap_synonyms_in:
        title, description = (with_synonyms(text, settings.synonyms, rng) for text in (title, description))
    if settings.add_boilerplate_in and rng.random() < settings.add_boilerplate_in:
        parts = [description, rng.choice(settings.boilerplate)]
        description = " ".join(filter(None, parts if rng.random() < _BEHIND else reversed(parts)))
    if category and (title or description) and rng.random() < settings.drop_category:
        category = ""
    if description and title and rng.random() < settings.drop_description:
        description = ""
    if rng.random() < settings.drop_words_in:
        title, description = (
            " ".join(word for word in text.split(" ") if rng.random() >= settings.word_rate) or text
            for text in (title, description)
        )
    if rng.random() < settings.mistype_in:
        title, description = (mistyped(text, settings.word_rate, rng) for text in (title, description))
    return replace(product, title=title, description=description, merchant_category=category)


def mistyped(text: str, rate: float, rng: random.Random) -> str:
    """The text with one typing error in about `rate` of its words; the shortest words stay."""
    return " ".join(
        rng.choice(_ERRORS)(word, rng) if len(word) >= _LETTERS and rng.random() < rate else word
        for word in text.split(" ")
    )


def _swap(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word) - 1)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _leave_out(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word))
    return word[:at] + word[at + 1 :]


def _double(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word))
    return word[:at] + word[at] + word[at:]


def _mishit(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word))
    return word[:at] + rng.choice(string.ascii_lowercase) + word[at + 1 :]


_ERRORS: tuple[Callable[[str, random.Random], str], ...] = (_swap, _leave_out, _double, _mishit)
