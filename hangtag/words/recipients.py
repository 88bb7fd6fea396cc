"""Whom a thing is for: `for my daughter` means girls where a shop's tags have a word for girls."""

import re
from collections.abc import Callable
from typing import NamedTuple

# The words of a shop's own tags that a recipient may be rewritten to, the first that names a tag.
_RECIPIENTS = {
    ("girls", "girl"): "daughter granddaughter niece goddaughter",
    ("boys", "boy"): "son grandson nephew godson",
    (
        "women",
        "woman",
        "ladies",
    ): "wife girlfriend mom mum mother mommy mummy grandma grandmother granny nan sister aunt bride fiancee lady her",
    (
        "men",
        "man",
        "gents",
    ): "husband boyfriend dad daddy father grandpa grandfather grandad brother uncle groom fiance gentleman him",
}
_NAMES = {word: names for names, words in _RECIPIENTS.items() for word in words.split()}
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
