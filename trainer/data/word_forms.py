"""English plurals and singulars, good enough to vary the words of a training text."""

import re

# Words that have one form, or whose other form no one types.
_ONE_FORM = re.compile(
    r"(?:ss|us|is|ics|wear|ware|ing|ment|gage|orage|ness|[^a-z])$|^(?:jeans|pants|trousers|shorts|scissors|glasses|clothes|"
    r"tights|leggings|pliers|binoculars|headphones|pyjamas|goggles|series|species|software|hardware|food|milk|water|"
    r"coffee|tea|oil|paint|paper|music|sand|rice|flour|sugar|salt|honey|cheese|meat)$"
)
_UNUSUAL = {
    "knife": "knives",
    "shelf": "shelves",
    "scarf": "scarves",
    "leaf": "leaves",
    "mouse": "mice",
    "foot": "feet",
    "tooth": "teeth",
    "man": "men",
    "woman": "women",
    "child": "children",
    "potato": "potatoes",
    "tomato": "tomatoes",
}
_WITH_IE = "beanie brownie cookie hoodie movie nightie onesie pinkie pixie selfie smoothie tie veggie zombie"
_SINGULAR = {plural: word for word, plural in _UNUSUAL.items()} | {f"{word}s": word for word in _WITH_IE.split()}
_HISSING = ("s", "x", "z", "ch", "sh")
_MIN_LETTERS = 3


def plural_of(word: str) -> str:
    """The plural of a lower-case word; the word itself if it has one form."""
    if word in _UNUSUAL:
        return _UNUSUAL[word]
    if len(word) < _MIN_LETTERS or word.endswith("s") or word in _SINGULAR or _ONE_FORM.search(word):
        return word
    if word.endswith(_HISSING):
        return f"{word}es"
    return f"{word[:-1]}ies" if re.search(r"[^aeiou]y$", word) else f"{word}s"


def singular_of(word: str) -> str:
    """The singular of a lower-case word; the word itself if it has one form, or is none."""
    if word in _SINGULAR:
        return _SINGULAR[word]
    if len(word) <= _MIN_LETTERS or not word.endswith("s") or _ONE_FORM.search(word):
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-2] if word.endswith(("sses", "xes", "zes", "ches", "shes")) else word[:-1]


def other_number(phrase: str) -> str:
    """The phrase with its last word in the plural if that is a singular, and in the singular if it is a plural."""
    start, space, last = phrase.rpartition(" ")
    other = singular_of(last)
    return f"{start}{space}{plural_of(last) if other == last else other}"
