"""Seeded ways to spoil a product's text: what shops and shoppers do to it."""

import random
from collections.abc import Callable
from dataclasses import replace

from hangtag.trainer.data.labelled import LabelledProduct

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
# The keys beside each key of an English keyboard, in its row.
_BESIDE = {key: row[max(0, at - 1) : at] + row[at + 1 : at + 2] for row in _ROWS for at, key in enumerate(row)}
# Cyrillic and Greek letters that look like Latin ones.
_LOOKALIKES = {"a": "а", "c": "с", "e": "е", "i": "і", "o": "о", "p": "р", "x": "х", "y": "у", "v": "ν"}
_STUFFING = "best price sale cheap new 2024 free shipping gift hot deal original top quality buy now discount offer"
_HIDDEN = "cheap phone laptop dress shoes toys perfume"
_BOILERPLATE_WORDS = 200
# None of these sentences is in trainer/data/shop_noise.py.
_TERMS = [
    "We pack your parcel on the day of your order if it reaches us in the morning.",
    "A courier brings it within a week; you get a message with a link to follow it.",
    "You may send goods back for any reason during the first four weeks.",
    "Please keep the receipt and the box, as we need both for an exchange.",
    "Postage for returns is paid by the customer unless the goods have a fault.",
    "Money is given back by the same way that you paid, usually in ten days.",
    "What you see on your monitor can look brighter than it is in daylight.",
    "All measures are taken by hand and may be off by a little.",
    "If something is missing, write to us before you open a case.",
    "Our team speaks English and is there for you every weekday.",
    "Join more than a hundred thousand happy customers and read what they say about us.",
    "Prices are in dollars and can change at any time.",
    "We do not sell to resellers and may cancel such orders.",
    "Taxes and fees of your country are not part of the price.",
    "A warranty of one year covers faults of material and workmanship, but not wear.",
    "Have a look at the other pages of our store, where something new appears each week.",
    "By placing an order you accept these terms and our rules on privacy.",
    "Subscribe for news and get a coupon for your next visit.",
]


def mistype_words(text: str, rate: float, rng: random.Random) -> str:
    """One typing error in `rate` of the words: a neighbouring key, two letters swapped, one missing or one twice."""
    return " ".join(_mistype(word, rng) if rng.random() < rate else word for word in text.split())


def _mistype(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word))
    letter = word[at]
    errors = (
        word[:at] + rng.choice(_BESIDE.get(letter.lower(), letter)) + word[at + 1 :],
        word[:at] + word[at + 1 : at + 2] + letter + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + letter + word[at:],
    )
    return rng.choice(errors)


def with_typing_errors(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    """Errors in 5 % of the words of title, description and merchant category."""
    return _in_all_texts(product, lambda text: mistype_words(text, 0.05, rng))


def with_homoglyphs(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    """A tenth of the letters that have a lookalike exchanged for it."""
    return _in_all_texts(
        product,
        lambda text: "".join(_LOOKALIKES.get(char, char) if rng.random() < 0.1 else char for char in text),
    )


def with_stuffed_keywords(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    """Eight words of advertising in the title, twenty behind the description."""
    words = _STUFFING.split()
    title = f"{product.title} {' '.join(rng.choices(words, k=8))}"
    return replace(product, title=title, description=f"{product.description} {' '.join(rng.choices(words, k=20))}")


def with_hidden_text(product: LabelledProduct, _: random.Random) -> LabelledProduct:
    """Markup that no visitor sees, with other products' words, before the description and zero-width joiners inside."""
    hidden = f'<script>var tags = "{_HIDDEN}";</script><style>.x{{content:"{_HIDDEN}"}}</style><!-- {_HIDDEN} -->'
    return replace(product, description=hidden + product.description.replace(" ", "\u200b \u200d"))


def with_boilerplate(product: LabelledProduct, rng: random.Random) -> LabelledProduct:
    """Two hundred words of a shop's terms behind the description."""
    sentences = _TERMS.copy()
    rng.shuffle(sentences)
    words = " ".join(sentences).split()[:_BOILERPLATE_WORDS]
    return replace(product, description=" ".join([product.description, *words]).strip())


def _in_all_texts(product: LabelledProduct, change: Callable[[str], str]) -> LabelledProduct:
    return replace(
        product,
        title=change(product.title),
        description=change(product.description),
        merchant_category=change(product.merchant_category),
    )


# Texts that name no product. None of them is made by trainer/data/no_product.py.
NO_PRODUCTS = (
    "hiya",
    "hey y'all",
    "good afternoon",
    "where has my order got to?",
    "Where's my order??",
    "when do you deliver to switzerland",
    "how can I reach you by phone",
    "I'd like to complain about the courier",
    "my voucher code is rejected",
    "are you a robot?",
    "thanks, bye",
    "what's the time now",
    "who is winning the league",
    "please call me tomorrow",
    "you have been very kind",
    "asdfasdf",
    "asdfgh jkl",
    "xkcvj qwpoz mmbla",
    "zzzzzzzz",
    "lkjhg fdsa poiuy",
    "qwe rty uio",
    "?!?!",
    "- - -",
    "1234567890",
    "00",
    "no title",
    "untitled",
    "lorem ipsum dolor sit amet",
    "sit amet consectetur adipiscing elit",
    "ok",
    "nope",
    "yep",
    "👍👍👍",
)
