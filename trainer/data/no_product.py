"""Made-up texts that are not products, from which a tagger learns to predict no tag."""

import random
import string
from collections.abc import Collection, Iterable

from hangtag.trainer.data.foreign_phrases import foreign_goods
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.off_topic import off_topic

_GREETINGS = ("hello", "hi", "hi there", "hey", "good morning", "good evening", "dear team", "hello again")
_QUESTIONS = (
    "where is my {thing}",
    "when will my {thing} arrive",
    "i have not received my {thing} yet",
    "can i return my {thing}",
    "how do i cancel my {thing}",
    "what is the status of my {thing}",
    "i want to talk to {person}",
    "can {person} call me back",
    "is there {person} i can speak to",
    "how can i change my {detail}",
    "my {detail} is wrong",
    "i forgot my {detail}",
    "do you ship to {place}",
    "how long does delivery to {place} take",
    "the website does not load",
    "i was charged twice",
    "do you have a discount code",
    "which payment methods do you take",
    "are you open on {day}",
    "what are your opening hours on {day}",
    "thank you for your help",
    "ok thanks",
    "yes please",
    "no that is not what i meant",
    "how are you today",
    "what is the weather like in {place}",
    "tell me a joke",
    "please help me",
    "i need some help",
    "this is a test",
    "never mind",
    "who are you",
    "see you on {day}",
)
_FILLS = {
    "thing": ("order", "parcel", "package", "delivery", "refund", "invoice", "shipment", "payment", "voucher"),
    "person": ("someone", "an agent", "a person", "your manager", "customer service", "the support team"),
    "detail": ("address", "password", "email", "phone number", "name", "account", "bank details"),
    "place": ("germany", "canada", "spain", "the island", "my office", "japan", "brazil"),
    "day": ("monday", "friday", "sunday", "the weekend", "christmas", "tomorrow"),
}
_ENDINGS = ("", "", ".", "?", "!", "??", " please", " thanks")
_NEARLY_EMPTY = (
    "n/a",
    "none",
    "null",
    "test",
    "-",
    "...",
    "tbd",
    "todo",
    "xxx",
    "description",
    "title",
    "no description",
)
_KEY_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def no_products(
    count: int, facets: Iterable[str], rng: random.Random, spoken: Collection[str] | None = None
) -> list[LabelledProduct]:
    """Chat, questions about orders, other topics, random letters and nearly empty texts, labelled with no tag.

    All `facets` are labelled. `spoken`, if given, are the languages of the products that are trained on (ISO 639-1):
    names of goods in other languages are then among the texts.
    """
    names = frozenset(facets)

    def foreign(rng: random.Random) -> str:
        return foreign_goods(spoken or (), rng) or off_topic(rng)

    makers = (_chat, off_topic, _random_letters, off_topic, _nearly_empty, foreign if spoken else _chat)
    return [
        LabelledProduct(f"none-{number}", makers[number % len(makers)](rng), "", "", names, frozenset())
        for number in range(count)
    ]


def _happens(probability: float, rng: random.Random) -> bool:
    return rng.random() < probability


def _chat(rng: random.Random) -> str:
    sentence = rng.choice(_QUESTIONS).format(**{name: rng.choice(words) for name, words in _FILLS.items()})
    parts = [rng.choice(_GREETINGS)] if _happens(0.3, rng) else []
    text = ", ".join([*parts, sentence]) if _happens(0.85, rng) else rng.choice(_GREETINGS)
    return (text.capitalize() if _happens(0.5, rng) else text) + rng.choice(_ENDINGS)


def _random_letters(rng: random.Random) -> str:
    def word() -> str:
        length = rng.randint(2, 12)
        if _happens(0.3, rng):
            row, start = rng.choice(_KEY_ROWS), rng.randint(0, 4)
            return row[start : start + length]
        return "".join(rng.choices(string.ascii_lowercase + string.digits * _happens(0.3, rng), k=length))

    return " ".join(word() for _ in range(rng.randint(1, 8)))


def _nearly_empty(rng: random.Random) -> str:
    if _happens(0.5, rng):
        return rng.choice(_NEARLY_EMPTY)
    return "".join(rng.choices(string.digits + string.punctuation, k=rng.randint(1, 12)))
