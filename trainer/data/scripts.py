"""What a writing system changes: where words begin and end, and which letters stand together."""

import re
import unicodedata

# Scripts that put no space between words, as ranges of a regular expression's class: Thai, Lao, Myanmar, Khmer,
# Hiragana and Katakana, Han.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff"
    "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f"
    "\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
# Marks and vowel signs are no word characters: they stay with what they are written on.
_PIECE = re.compile(rf"[{UNSPACED}](?:(?!\w)[{UNSPACED}])*|[^{UNSPACED}]+")
_UNSPACED = re.compile(f"[{UNSPACED}]")
# Up to here (Latin Extended-B) every letter is a Latin one.
_LAST_OF_LATIN = "\u024f"
_LATIN = "LATIN"


def is_unspaced(char: str) -> bool:
    """Whether a character belongs to a script that puts no space between words."""
    return bool(_UNSPACED.match(char))


def pieces_of(word: str) -> list[str]:
    """What can be left out or mistyped by itself: of an unspaced script each character, of others what is between."""
    return _PIECE.findall(word) or [word]


def letters_like(word: str, text: str) -> list[str]:
    """The text's letters of the scripts that the word is written in; none if that is Latin alone."""
    scripts = {_script_of(char) for char in word if char.isalpha() or is_unspaced(char)} - {_LATIN}
    return [char for char in text if char.isalpha() and _script_of(char) in scripts] if scripts else []


def _script_of(letter: str) -> str:
    """By the first word of its name in Unicode: CYRILLIC, GREEK, CJK, THAI."""
    name = unicodedata.name(letter, "")
    return _LATIN if letter <= _LAST_OF_LATIN or _LATIN in name else name.partition(" ")[0]
