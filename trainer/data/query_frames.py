"""Sentences around the name of a thing: what people type into a search box, and what they ask a shop's bot.

The wording is our own; texts for evaluation do not use it.
"""

import random

# `{x}` is the thing, possibly with attributes; `{a}` the same with an article; the other fields are filled below.
QUERIES = (
    "{x} for {who}",
    "{x} for {place}",
    "{x} for {occasion}",
    "{quality} {x}",
    "{x} {quality}",
    "buy {x}",
    "buy {x} online",
    "{x} sale",
    "{x} deals",
    "{x} near me",
    "best {x} {year}",
    "{x} on a budget",
    "{x} gift",
    "gift for {who} {x}",
    "{x} set",
    "where to buy {x}",
    "which {x}",
    "{x} reviews",
    "{x} under {price}",
    "{price} {x}",
    "{x} with fast delivery",
    "{quality} {x} for {who}",
    "{quality} {x} for {place}",
)
UTTERANCES = (
    "looking for {a}",
    "i am looking for {a} for {who}",
    "hi, i'm searching for {a}",
    "do you sell {x}",
    "do you sell {x}?",
    "hello do you carry {x} as well?",
    "have you got {x} in stock",
    "is there {a} you would recommend for {who}?",
    "can you recommend {a}",
    "could you show me {x}",
    "show me {x} please",
    "show me your {quality} {x}",
    "i need {a}",
    "i need {a} for {place}",
    "need {a} asap",
    "i want to buy {a} as a present for {who}",
    "my old one broke and i need {a}",
    "we just moved and still lack {a}",
    "what kind of {x} do you have?",
    "which {x} would be good for {who}",
    "whats the {quality} {x} you have",
    "are there any {x} for {place}",
    "any {x} under {price}?",
    "can i get {a} for less than {price}",
    "hey, thinking about getting {a}, what do you have",
    "good morning, i would like to order {a}",
    "i saw {a} in your shop last week, do you still have it?",
    "trying to find {a} that lasts",
    "pls help me choose {a}",
    "got any {x}?",
    "im after {a}",
    "would love {a} for {occasion}",
    "{occasion} is coming up and i want {a}",
    "thinking of {a}, any suggestions?",
)
# What a thing is for, without its name.
NEEDS = (
    "something to {need}",
    "sth to {need}",
    "i need something to {need}",
    "do you have something to {need}?",
    "what do i need to {need}",
    "looking for a thing to {need}",
    "what could i use to {need}",
    "i want to {need}, what do you suggest?",
    "how can i {need}",
    "anything to {need}",
    "to {need}",
)
# `{v}` is an attribute that is not wanted.
NEGATED = (
    "{x} not {v}",
    "{x}, not {v}",
    "{x} but not {v}",
    "{x} no {v}",
    "{x} in any color except {v}",
    "{x} anything but {v}",
    "i need {a} but not in {v}",
    "do you have {x} that are not {v}",
    "{x} other than {v}",
    "non {v} {x}",
    "{x} without {v}",
    "no {v} {x} please",
    "i don't like {v}, show me other {x}",
)
NEGATED_PERSONS = (
    "{x} but not for {v}",
    "{x} not for {v}",
    "{x}, no {v} sizes",
    "{x} except for {v}",
    "i need {a}, but not for {v}",
    "{x} not the {v} ones",
    "do you have {x} that are not for {v}?",
)
# `{part}` is left off a thing: no tag speaks of it.
WITHOUT_PART = ("{x} without {part}", "{x} with no {part}", "{x} w/o {part}", "{x}, but no {part}")
_FIELDS = {
    "who": (
        "a friend",
        "my neighbour",
        "a colleague",
        "beginners",
        "a student",
        "my parents",
        "two people",
        "a family of five",
        "seniors",
        "my boss",
        "our team",
        "someone who has everything",
    ),
    "place": (
        "the office",
        "a small flat",
        "the garage",
        "a holiday",
        "a long trip",
        "my new place",
        "the garden",
        "our cabin",
        "a dorm",
        "work",
        "winter",
        "summer",
        "the rain",
        "a hotel",
        "everyday use",
    ),
    "occasion": (
        "a birthday",
        "my anniversary",
        "christmas",
        "graduation",
        "a wedding",
        "mothers day",
        "a housewarming",
        "easter",
        "the holidays",
        "a party",
    ),
    "quality": (
        "cheap",
        "good",
        "affordable",
        "small",
        "large",
        "sturdy",
        "lightweight",
        "premium",
        "simple",
        "modern",
        "vintage",
        "high quality",
        "top rated",
        "popular",
        "durable",
        "cute",
        "unique",
        "discount",
    ),
    "year": ("2023", "2024", "2025", "2026"),
    "price": ("$15", "$30", "20 dollars", "50 euros", "100 bucks", "£40", "25$"),
    "part": ("logo", "batteries", "lid", "assembly", "plastic", "strap", "handles", "wheels", "scent", "zip"),
}
_SHORTER = {"with": "w/", "without": "w/o", "and": "&", "for": "4", "please": "pls", "you": "u", "something": "sth"}
_SHORTEN = 0.5


def framed(frame: str, rng: random.Random, **fields: str) -> str:
    """Fill a frame: with `fields`, and at random where they do not say."""
    at_random = {name: rng.choice(words) for name, words in _FIELDS.items()}
    return frame.format(**at_random | fields)


def with_article(thing: str) -> str:
    """`a lamp`, `an umbrella`; a plural without an article."""
    if thing.endswith("s") and not thing.endswith("ss"):
        return thing
    return f"{'an' if thing[:1] in 'aeiou' else 'a'} {thing}"


def shortened(text: str, rng: random.Random) -> str:
    """The text with some of its frequent words as people abbreviate them."""
    return " ".join(
        _SHORTER[word] if word in _SHORTER and rng.random() < _SHORTEN else word for word in text.split(" ")
    )
