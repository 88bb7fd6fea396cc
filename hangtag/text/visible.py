"""Which characters of a text show something."""

import re
import unicodedata

# Categories without visible text: control, format (zero-width joiners, bidi marks), surrogate, private use, unassigned.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# Unicode's Default_Ignorable_Code_Point outside these categories: they have no width and separate nothing.
_IGNORABLE = "\u034f\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
# Blank, but as wide as a letter: Hangul's fillers, the empty Braille pattern, the null notehead, blank hieroglyphs.
_BLANK = "\u115f\u1160\u2800\u3164\uffa0\U0001d159\U00013441\U00013442"
_NOTHING_TO_SEE = re.compile(f"[{_IGNORABLE}{_BLANK}]")
_SPACE = re.compile(r"\s+")
# No visible character is composed of more characters than that when a text is normalised.
_MAX_COMPOSED = 4


def visible_text(text: str, max_chars: int) -> str:
    """One line of at most `max_chars` visible characters in NFKC; white space and blank characters become one space.

    Characters that show nothing and have no width are removed. The time is linear in the text: it is truncated to a
    multiple of `max_chars` visible characters before it is normalised, which takes quadratic time at worst.
    """
    line = _line(text)[: max_chars * _MAX_COMPOSED]
    if not line.isascii():
        # Once more, because normalising can decompose a character to a space and an accent.
        line = _line(unicodedata.normalize("NFKC", line))
    return line[:max_chars].rstrip()


def _line(text: str) -> str:
    if not text.isprintable() or (not text.isascii() and _NOTHING_TO_SEE.search(text)):
        text = text.translate({ord(char): shown for char in set(text) if (shown := _shown(char)) != char})
    return _SPACE.sub(" ", text).strip()


def _shown(char: str) -> str:
    if char.isspace() or char in _BLANK:
        return " "
    if unicodedata.category(char) in _INVISIBLE_CATEGORIES or _NOTHING_TO_SEE.match(char):
        return ""
    return char
