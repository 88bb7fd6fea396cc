"""Texts that mean no product: orders, brands and sizes alone, places, other topics."""

import random
from collections.abc import Callable

from hangtag.trainer.data.foreign_phrases import everyday_phrase


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split(", "))


# Brands that make many kinds of things: the name alone says none of them.
_BRANDS = _listed(
    "adidas, puma, reebok, sony, panasonic, philips, bosch, siemens, hitachi, honda, yamaha, suzuki, "
    "kawasaki, ford, chevrolet, toyota, nissan, mazda, volvo, bmw, gucci, prada, versace, burberry, "
    "armani, zara, uniqlo, ikea, wayfair, walmart, tesco, aldi, lidl, costco, disney, marvel, hasbro, "
    "mattel, canon, nikon, dell, lenovo, asus, acer, huawei, xiaomi, motorola, nokia, braun, makita, "
    "dewalt, ryobi, stanley, 3m, dyson, miele, nestle, unilever, loreal, dove, columbia, patagonia, "
    "carhartt, wrangler, lacoste, fila, umbro, under armour, new balance, general electric, "
    "black and decker, calvin klein, ralph lauren"
)
_SIZES = (
    "size {n}",
    "size {letter}",
    "{n} inch",
    "{n} cm",
    "{n}x{m}",
    "{n} x {m} cm",
    "{letter}",
    "{n}ml",
    "{n} kg",
    "eu {n}",
    "us {n}",
    "plus size",
    "one size",
    "large size",
    "king size",
    "{n} pieces",
    "under ${n}",
    "between {n} and {m} dollars",
    "price {n}",
)
_LETTERS = ("xs", "s", "m", "l", "xl", "xxl", "3xl")
_PLACES = _listed(
    "new york, paris, berlin, madrid, chicago, texas, california, sydney, mumbai, bangkok, amsterdam, "
    "vienna, dublin, seattle, boston, oslo, lisbon, prague, cairo, nairobi, lima, toronto"
)
_OF_PLACES = ("{place}", "{place} store", "shops in {place}", "near {place}", "flights to {place}", "{place} weather")
_STORE = (
    "store hours",
    "contact number",
    "customer service",
    "gift card balance",
    "student discount",
    "track my parcel",
    "order number {number}",
    "my order {number} has not come",
    "order {number} arrived damaged",
    "the parcel was left outside",
    "how do returns work",
    "returns label",
    "change delivery date",
    "wrong item in the box",
    "i got the wrong size",
    "can i pay in instalments",
    "cancel order {number}",
    "invoice for order {number}",
    "is my payment through",
    "log in",
    "delete my account",
    "newsletter unsubscribe",
    "complaint about the courier",
    "do you price match",
    "is delivery free",
    "do you have a shop in {place}",
    "job openings",
    "careers",
    "about us",
    "privacy policy",
    "terms and conditions",
    "loyalty points",
    "black friday dates",
    "voucher code does not work",
    "how can i leave a review",
    "new arrivals",
    "best sellers",
    "what is on sale",
    "on sale now",
    "anything new?",
    "recommend me something",
    "what do you sell",
    "i want to buy something",
    "gift ideas",
    "something nice",
    "presents",
)
_TOPICS = (
    "how tall is the eiffel tower",
    "capital of australia",
    "who won the match yesterday",
    "how to tie a knot",
    "translate this into spanish",
    "write me a poem",
    "what time is it",
    "is it going to rain",
    "news today",
    "how do i learn french",
    "train times to {place}",
    "best restaurants in {place}",
    "things to do in {place}",
    "how many days until easter",
    "recipe with three ingredients",
    "why is the sky blue",
    "what does love mean",
    "play the next song",
    "set an alarm for seven",
    "call my mother",
    "i am bored",
    "are you a robot",
    "you are not helping",
    "what is 12 times 7",
    "lol",
    "haha ok",
    "hmm",
    "???",
    "no",
    "yes",
    "maybe later",
    "bye",
    "sorry wrong chat",
    "one moment",
)
_LOOKS = (
    "modern",
    "rustic",
    "cheap",
    "big",
    "small and light",
    "high quality",
    "handmade",
    "vintage style",
    "eco friendly",
    "good quality",
    "the best",
    "cute",
    "made in italy",
    "soft",
    "strong",
    "waterproof",
    "for everyday use",
    "for two",
)


def off_topic(rng: random.Random) -> str:
    """A text that means no product, in a random way: see the module."""
    return rng.choice(_MAKERS)(rng)


def _filled(sentence: str, rng: random.Random) -> str:
    return sentence.format(
        n=rng.randint(2, 200),
        m=rng.randint(2, 200),
        number=rng.randint(10_000, 99_999_999),
        letter=rng.choice(_LETTERS),
        place=rng.choice(_PLACES),
    )


def _cased(text: str, rng: random.Random) -> str:
    return rng.choice((str, str, str, str.capitalize, str.upper))(text)


def _brand(rng: random.Random) -> str:
    return _cased(rng.choice(_BRANDS), rng)


def _of(sentences: tuple[str, ...]) -> Callable[[random.Random], str]:
    return lambda rng: _cased(_filled(rng.choice(sentences), rng), rng)


_MAKERS: tuple[Callable[[random.Random], str], ...] = (
    _brand,
    _of(_SIZES),
    _of(_OF_PLACES),
    _of(_STORE),
    _of(_STORE),
    _of(_TOPICS),
    _of(_LOOKS),
    everyday_phrase,
)
