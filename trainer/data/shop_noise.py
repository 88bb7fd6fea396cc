"""Habits of other shops: what titles and descriptions carry besides the words for the product."""

import random
import string
from collections.abc import Callable
from dataclasses import replace

from hangtag.trainer.data.labelled import LabelledProduct

_CONDITIONS = (
    "REFURBISHED",
    "(Renewed)",
    "Open Box",
    "USED - Very Good",
    "pre-owned",
    "NEW IN BOX",
    "Grade B",
    "ex display",
    "clearance",
    "NOS",
    "B-stock",
    "Brand New!",
)
_CALLS = (
    "FREE SHIPPING",
    "*** SALE ***",
    "!!LOOK!!",
    "HOT DEAL",
    "Best Price",
    "Limited Offer",
    "-50%",
    "Fast Dispatch",
    "L@@K",
    "[In Stock]",
    "| Official Store",
    "- Buy Online",
    "w/ warranty",
)
_EMOJI = ("🔥", "✅", "⭐", "🎁", "🚚", "💯", "❤️", "✨", "👉", "🆕")
_HTML = (
    "&amp;nbsp;",
    "&nbsp;",
    "<br>",
    "<br/>",
    "&#8211;",
    "&quot;",
    "<b>",
    "</b>",
    "&trade;",
    "<p>",
    "&reg;",
    "</span>",
)
_UNITS = ("cm", "mm", "in", "ft", '"')
_COUNTED = (
    "{n} pack",
    "{n}-Pack",
    "pack of {n}",
    "set of {n}",
    "x{n}",
    "{n} pcs",
    "{n}pk",
    "lot of {n}",
    "({n} Count)",
)
# Sentences that a shop puts under every product.
BOILERPLATE = (
    "Orders placed before noon leave our warehouse on the same working day.",
    "Please allow three to five working days for delivery.",
    "We accept returns within thirty days if the goods are unused and in their packaging.",
    "Colors may differ slightly from those on your screen.",
    "Our support answers questions from Monday to Friday.",
    "All prices include tax where it applies.",
    "Sign up to our newsletter and save on your first purchase.",
    "Pay by card, bank transfer or on invoice.",
    "We ship to most countries; duties are paid by the buyer.",
    "Thank you for supporting a small family business.",
    "If you are not satisfied, contact us before you leave feedback.",
    "Buy more and pay postage only once.",
    "Every item is checked by hand before it is sent.",
    "See our other listings for more offers.",
    "The manufacturer's guarantee applies for twelve months.",
    "Pictures are examples; accessories shown are not included.",
    "Follow us for news and special offers.",
    "Stock is limited and offers end without notice.",
    "Collect loyalty points with each order.",
    "Express delivery is available at checkout.",
)
_MOST_NOISES = 3
_SHORTEST_CUT = 0.6
_LEAST_WORDS = 4


def noisy(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    """A copy of the product as another shop might list it, with one to three of these habits. All labels stay."""
    chosen = rng.sample(_NOISES, rng.randint(1, _MOST_NOISES))
    for noise in sorted(chosen, key=_NOISES.index):
        product = noise(product, rng)
    return product


def with_boilerplate(product: LabelledProduct, rng: random.Random, sentences: int) -> LabelledProduct:
    """The product with so many sentences of a shop's boilerplate around its description. All labels stay."""
    chosen = rng.sample(BOILERPLATE, min(sentences, len(BOILERPLATE)))
    before = rng.randint(0, len(chosen)) if rng.random() < 1 / 3 else 0
    parts = (*chosen[:before], product.description, *chosen[before:])
    return replace(product, description=" ".join(filter(None, parts)))


def _capitals(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    case = rng.choice((str.upper, str.upper, str.lower, str.title))
    return replace(product, title=case(product.title))


def _code(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    letters = "".join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 4)))
    number = "".join(rng.choices(string.digits, k=rng.randint(3, 8)))
    code = f"{letters}{rng.choice(('-', '', '/', ' '))}{number}{rng.choice(('', '', '-BLK', 'A', 'EU', '/2'))}"
    return _beside(product, rng.choice((code, f"SKU {code}", f"#{code}", f"({code})", f"Art. {number}", number)), rng)


def _dimensions(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    sides = [str(rng.randint(2, 200)) for _ in range(rng.randint(1, 3))]
    unit = rng.choice(_UNITS)
    return _beside(product, f"{rng.choice((' x ', 'x', '*')).join(sides)}{rng.choice(('', ' '))}{unit}", rng)


def _count(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    return _beside(product, rng.choice(_COUNTED).format(n=rng.randint(2, 12)), rng)


def _condition(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    return _beside(product, rng.choice(_CONDITIONS), rng)


def _call(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    return _beside(product, rng.choice((*_CALLS, *_EMOJI)), rng)


def _html(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    words = product.title.split(" ")
    words.insert(rng.randint(0, len(words)), rng.choice(_HTML))
    return replace(product, title=" ".join(words))


def _keywords(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    """The title's own words once more, as a list for search engines."""
    words = [word for word in product.title.split(" ") if word.isalpha()]
    listed = rng.sample(words, min(len(words), rng.randint(2, 6)))
    separator = rng.choice((", ", " | ", " ", "/"))
    return replace(product, title=" ".join(filter(None, (product.title, separator.join(listed)))))


def _cut(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    """The title without its end, if that is long enough to say still what the product is, or another field says it."""
    words = product.title.split(" ")
    if len(words) <= _LEAST_WORDS or not (product.description or product.merchant_category):
        return product
    length = round(len(product.title) * rng.uniform(_SHORTEST_CUT, 0.95))
    return replace(product, title=product.title[:length].rstrip() + rng.choice(("", "...", "…", " ..")))


def _boilerplate(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    return with_boilerplate(product, rng, rng.randint(1, 8))


def _beside(product: LabelledProduct, addition: str, rng: random.Random) -> LabelledProduct:
    """The title with an addition before it, after it, or between its words."""
    words = product.title.split(" ")
    at = rng.choice((0, len(words), len(words), rng.randint(0, len(words))))
    return replace(product, title=" ".join(filter(None, (*words[:at], addition, *words[at:]))))


_NOISES: tuple[Callable[[LabelledProduct, random.Random], LabelledProduct], ...] = (
    _cut,  # first: only the product's own fields may say what a cut title does not
    _capitals,
    _code,
    _dimensions,
    _count,
    _condition,
    _call,
    _html,
    _keywords,
    _boilerplate,
)
