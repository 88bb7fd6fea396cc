"""Whom a thing is for: `for my daughter` means girls where a shop's tags have a word for girls."""

import re
from collections.abc import Callable
from typing import NamedTuple

from hangtag.words.function_words import word_set

# Recipients, and the words of a shop's own tags that they may be rewritten to, of which the first that names a tag.
_RECIPIENTS = (
    ("daughter granddaughter niece goddaughter", ("girls", "girl")),
    ("son grandson nephew godson", ("boys", "boy")),
    (
        "wife girlfriend mom mum mother mommy mummy grandma grandmother granny nan sister aunt bride fiancee lady her",
        ("women", "woman", "ladies"),
    ),
    (
        "husband boyfriend dad daddy father grandpa grandfather grandad brother uncle groom fiance gentleman him",
        ("men", "man", "gents"),
    ),
)
# Groups that several tags are of.
_GROUPS = {
    "unisex kids boys girls": word_set("kids kid children child toddlers toddler babies baby"),
    "men women": word_set("adults adult grown-ups"),
}
_NAMES = {word: names for words, names in _RECIPIENTS for word in words.split()}
# `for` may stand in front of an age, and of another recipient: `for my 5 year old daughter`.
_FOR = re.compile(
    r"\bfor\s+(?:(?:my|our|your|his|her|their|the|an?|\d+|years?|yrs?|yo|old|year-old|little|teenage|teen|young|adult|"
    rf"new|dear)[\s-]+){{0,5}}(?P<who>{'|'.join(_NAMES)})\b(?!'s)",
    re.IGNORECASE,
)


class Rewritten(NamedTuple):
    """A query with recipients in the words of the tags, and what was written for each word."""

    text: str
    written: dict[str, str]


def rewrite_recipients(text: str, names_a_tag: Callable[[str], bool]) -> Rewritten:
    """Write recipients in the words of the tags: `boots for my daughter` becomes `boots for girls`.

    A recipient that no tag has a word for stays as it is. `names_a_tag` says whether a word names a tag.
    """
    written: dict[str, str] = {}

    def replaced(match: re.Match[str]) -> str:
        who = match["who"].lower()
        name = next((name for name in _NAMES[who] if names_a_tag(name)), None)
        if name is None:
            return match.group()
        written[name] = who
        return f"for {name}"

    return Rewritten(_FOR.sub(replaced, text), written)


def group_members(text: str) -> str:
    """The words for all who belong to the groups that a text names: `kids boys girls` for `children`."""
    words = set(text.lower().split())
    return " ".join(members for members, group in _GROUPS.items() if not words.isdisjoint(group))
