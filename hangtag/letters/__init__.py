"""Dead letters for people: which ones there are, which may be sent again, and what became of them."""

from hangtag.letters.backwards import Found, newest_first
from hangtag.letters.errors import LetterError
from hangtag.letters.letter import Letter
from hangtag.letters.place import Place
from hangtag.letters.resolution import DROPPED, REPLAYED, Resolution, is_resolution
from hangtag.letters.rules import ReplayRules
from hangtag.letters.selection import Selection
from hangtag.letters.sender import LetterSender
from hangtag.letters.when import iso_time, parse_time

__all__ = [
    "DROPPED",
    "REPLAYED",
    "Found",
    "Letter",
    "LetterError",
    "LetterSender",
    "Place",
    "ReplayRules",
    "Resolution",
    "Selection",
    "is_resolution",
    "iso_time",
    "newest_first",
    "parse_time",
]
