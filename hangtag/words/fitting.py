"""Parts and accessories: a case for a phone is not a phone."""

import re

from hangtag.words.topic import content_words

_ACCESSORY = (
    r"(?:cases?|covers?|sleeves?|mounts?|brackets?|holders?|stands?|chargers?|cables?|adapters?|adaptors?|straps?|bands?|"
    r"screen\s+protectors?|protectors?|spare\s+parts?|parts?|replacements?|refills?|filters?|lids?|hooks?|racks?|"
    r"accessor(?:y|ies)|attachments?|remotes?|remote\s+controls?|batter(?:y|ies)|bulbs?|blades?|hoses?|seals?|knobs?|"
    r"handles?|casters?|slipcovers?|liners?|pads?|inserts?|kits?|cleaners?|cleaning\s+kits?|tripods?|"
    r"fittings?|hinges?|keys?|cords?|plugs?|grips?|insoles?|laces?|polish)"
)
# `case for iphone`, `cover that fits a sofa`.
_FOR = re.compile(
    rf"\b{_ACCESSORY}\b.*?\b(?:for|to\s+fit|fits|fitting|compatible\s+with|suitable\s+for)\s+(?P<thing>.+)",
    re.IGNORECASE,
)
# `tv wall mount`, `iphone 12 case`: the accessory comes last.
_LAST = re.compile(rf"^(?P<thing>.+?)\s+(?:\w+\s+)?{_ACCESSORY}\W*$", re.IGNORECASE)


def fitted_words(text: str) -> frozenset[str]:
    """The words, in lower case, for what a part or an accessory fits; none if the query asks for something else."""
    match = _FOR.search(text) or _LAST.search(text)
    return frozenset(content_words(match["thing"])) if match else frozenset()
