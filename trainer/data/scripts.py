"""Differences between scripts: where words begin and end, and which letters belong together."""

import re
import unicodedata

# Scripts without spaces between words, as ranges for a regular expression's character class: Thai, Lao, Myanmar, Khmer,
# Hiragana and Katakana, Han.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff"
    "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f"
    "\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
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
