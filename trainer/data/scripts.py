"""Differences between scripts: where words begin and end, and which letters belong together."""

import re
import unicodedata

from hangtag.text.scripts import UNSPACED

# Marks and vowel signs are not word characters; they stay with the character that they belong to.
_PIECE = re.compile(rf"[{UNSPACED}](?:(?!\w)[{UNSPACED}])*|[^{UNSPACED}]+")
_UNSPACED = re.compile(f"[{UNSPACED}]")
# Up to here (Latin Extended-B) every letter is Latin.
_LAST_OF_LATIN = "\u024f"
_LATIN = "LATIN"


def is_unspaced(char: str) -> bool:
    """Whether a character belongs to a script without spaces between words."""
    return bool(_UNSPACED.match(char))


def pieces_of(word: str) -> list[str]:
    """Split a word into units for removal and typing errors: single characters of unspaced scripts, and other runs."""
    return _PIECE.findall(word) or [word]


def letters_like(word: str, text: str) -> list[str]:
    """The text's letters in the scripts of the word; none if the word is only Latin."""
    scripts = {_script_of(char) for char in word if char.isalpha() or is_unspaced(char)} - {_LATIN}
    return [char for char in text if char.isalpha() and _script_of(char) in scripts] if scripts else []


def _script_of(letter: str) -> str:
    """The letter's script, by the first word of its Unicode name: CYRILLIC, GREEK, CJK, THAI."""
    name = unicodedata.name(letter, "")
    return _LATIN if letter <= _LAST_OF_LATIN or _LATIN in name else name.partition(" ")[0]
