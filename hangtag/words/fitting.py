"""Parts and accessories: a case for a phone is not a phone."""

import re

from hangtag.words.topic import content_words

_ACCESSORY = re.compile(
    r"\b(?:cases?|covers?|sleeves?|mounts?|brackets?|holders?|stands?|chargers?|cables?|adapt[eo]rs?|straps?|bands?|"
    r"(?:screen\s+)?protectors?|(?:spare\s+|replacement\s+)?parts?|replacements?|refills?|filters?|lids?|hooks?|racks?|"
    r"accessor(?:y|ies)|attachments?|remotes?|remote\s+controls?|batter(?:y|ies)|bulbs?|blades?|hoses?|seals?|knobs?|"
    r"handles?|casters?|slipcovers?|liners?|cleaners?|cleaning\s+kits?|winders?|tripods?|fittings?|hinges?|cords?|"
    r"insoles?|laces?|polish)\b",
    re.IGNORECASE,
)
_FOR = re.compile(
    r"\b(?:for|to\s+fit|that\s+fits?|fits|fitting|compatible\s+with|suitable\s+for)\s+(.+)", re.IGNORECASE
)


def fitted_words(text: str) -> frozenset[str]:
    """The words, in lower case, for what a part or an accessory fits; none if the query asks for something else.

    These are the words in front of the accessory and after a `for` that follows it: `tv` and `wall` of "tv wall mount",
    `phone` and `car` of "phone holder for car".
    """
    accessories = list(_ACCESSORY.finditer(text.lower().partition(" for ")[0]))
    if not accessories:
        return frozenset()
    # Of "watch strap case" it is the case.
    found = accessories[-1]
    behind = text[found.end() :]
    fits = _FOR.search(behind)
    # What follows the accessory without a `for` is the thing: "cover girl lipstick".
    if fits is None and content_words(behind):
        return frozenset()
    before = content_words(_ACCESSORY.sub(" ", text[: found.start()]))
    return frozenset([*before, *(content_words(fits[1]) if fits else ())])
