"""Which characters of a text show something."""

import re
import unicodedata
from typing import NamedTuple

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
# Marks that follow each other, as accents do, are put in order when a text is normalised, which takes quadratic time.
# Unicode's Stream-Safe Text Format allows 30 in a row, far more than any language has; the others are left out.
_MAX_MARKS = 30
# Nothing in Python's word characters is a mark, but for the sound marks of half-width Katakana.
_PERHAPS_MARKS = re.compile(rf"[\W\uff9e\uff9f]{{{_MAX_MARKS + 1},}}")


class Truncated(NamedTuple):
    """A text, and whether something of it was left out at its end."""

    text: str
    is_cut: bool


def visible_text(text: str, max_chars: int) -> Truncated:
    """One line of at most `max_chars` visible characters in NFKC; white space and blank characters become one space.

    Characters that show nothing and have no width are removed, and so are marks after the thirtieth in a row. The time
    is linear in the text; only a multiple of `max_chars` visible characters is normalised.
    """
    complete = _line(text)
    line = complete[: max_chars * _MAX_COMPOSED]
    is_cut = len(line) < len(complete)
    if not line.isascii():
        # Once more, because normalising can decompose a character to a space and an accent.
        line = _line(unicodedata.normalize("NFKC", line))
    return Truncated(line[:max_chars].rstrip(), is_cut or len(line) > max_chars)


def _line(text: str) -> str:
    if not text.isprintable() or (not text.isascii() and _NOTHING_TO_SEE.search(text)):
        text = text.translate({ord(char): shown for char in set(text) if (shown := _shown(char)) != char})
    text = _SPACE.sub(" ", text).strip()
    return text if text.isascii() else _PERHAPS_MARKS.sub(_with_few_marks, text)


def _with_few_marks(found: re.Match[str]) -> str:
    marks = "".join(char for char in set(found[0]) if unicodedata.combining(unicodedata.normalize("NFKD", char)[0]))
    return re.sub(f"([{marks}]{{{_MAX_MARKS}}})[{marks}]+", r"\1", found[0]) if marks else found[0]


def _shown(char: str) -> str:
    if char.isspace() or char in _BLANK:
        return " "
    if unicodedata.category(char) in _INVISIBLE_CATEGORIES or _NOTHING_TO_SEE.match(char):
        return ""
    return char
