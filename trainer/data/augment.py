"""Augmentation: randomly changed copies of training products, with missing fields, other words and typing errors."""

import random
import string
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.scripts import is_unspaced, letters_like, pieces_of
from hangtag.trainer.data.shop_noise import noisy
from hangtag.trainer.data.word_swaps import Values, with_other_value, with_synonyms
from hangtag.trainer.recipe.recipe import Augmentation

# Words shorter than this get no typing error.
_MIN_LETTERS = 3
# The probability that a sentence is added after the description, not before it.
_AFTER = 0.5
_NO_VALUES: Values = MappingProxyType({})


def augmented(
    product: LabelledProduct, settings: Augmentation, rng: random.Random, values: Values = _NO_VALUES
) -> LabelledProduct:
    """Return a randomly changed copy of the product for one epoch. Its text is never empty if it was not before.

    `values` maps facets to their values; a facet in it may get another value, in the text and in the labels. All other
    labels stay.
    """
    # An option that is off draws no random number, so that adding options does not change runs that do not use them.
    if settings.swap_values_in and rng.random() < settings.swap_values_in:
        product = with_other_value(product, values, rng)
    if settings.shop_noise_in and rng.random() < settings.shop_noise_in:
        product = noisy(product, rng)
    title, description, category = product.title, product.description, product.merchant_category
    if settings.swap_synonyms_in and rng.random() < settings.swap_synonyms_in:
        title, description = (with_synonyms(text, settings.synonyms, rng) for text in (title, description))
    if settings.add_boilerplate_in and rng.random() < settings.add_boilerplate_in:
        parts = [description, rng.choice(settings.boilerplate)]
        description = " ".join(filter(None, parts if rng.random() < _AFTER else reversed(parts)))
    if category and (title or description) and rng.random() < settings.drop_category:
        category = ""
    if description and title and rng.random() < settings.drop_description:
        description = ""
    if rng.random() < settings.drop_words_in:
        title, description = (_without_words(text, settings.word_rate, rng) or text for text in (title, description))
    if rng.random() < settings.mistype_in:
        title, description = (mistyped(text, settings.word_rate, rng) for text in (title, description))
    return replace(product, title=title, description=description, merchant_category=category)


def mistyped(text: str, rate: float, rng: random.Random) -> str:
    """Return the text with a typing error in about `rate` of its words; words of one or two letters stay.

    In scripts without spaces between words, `rate` is the share of characters.
    """
    return " ".join(_mistyped_word(word, text, rate, rng) for word in text.split(" "))


def _without_words(text: str, rate: float, rng: random.Random) -> str:
    kept = ([piece for piece in pieces_of(word) if rng.random() >= rate] for word in text.split(" "))
    return " ".join("".join(pieces) for pieces in kept if pieces)


def _mistyped_word(word: str, text: str, rate: float, rng: random.Random) -> str:
    pieces = pieces_of(word)
    # Backwards, so that removing or doubling a piece does not move the ones still to be visited.
    for at, piece in reversed(list(enumerate(pieces))):
        if is_unspaced(piece[:1]):
            if rng.random() < rate:
                rng.choice(_ERRORS)(pieces, at, text, rng)
        elif len(piece) >= _MIN_LETTERS and rng.random() < rate:
            error, letters = rng.choice(_ERRORS), list(piece)
            error(letters, rng.randrange(len(letters) - (error is _swap)), text, rng)
            pieces[at] = "".join(letters)
    return "".join(pieces) or word


def _swap(letters: list[str], at: int, _text: str, _rng: random.Random) -> None:
    letters[at : at + 2] = reversed(letters[at : at + 2])


def _remove(letters: list[str], at: int, _text: str, _rng: random.Random) -> None:
    del letters[at]


def _double(letters: list[str], at: int, _text: str, _rng: random.Random) -> None:
    letters.insert(at, letters[at])


def _replace(letters: list[str], at: int, text: str, rng: random.Random) -> None:
    letters[at] = rng.choice(letters_like("".join(letters), text) or string.ascii_lowercase)


_ERRORS: tuple[Callable[[list[str], int, str, random.Random], None], ...] = (_swap, _remove, _double, _replace)
