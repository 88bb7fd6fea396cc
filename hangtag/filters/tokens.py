"""The parts of a filter: words, quoted words and signs."""

from collections.abc import Iterator
from typing import NamedTuple

from hangtag.filters.errors import fail

SIGNS = "[],:"
QUOTE = '"'
ESCAPE = "\\"
# A word ends before one of these.
SPECIAL = frozenset(SIGNS + QUOTE + ESCAPE)


class Token(NamedTuple):
    """A part of a filter, which begins at the index `at` and ends before `end`.

    `kind` is a sign, `word`, or `end` behind the last character. `is_quoted`: a word that was written in quotes, which
    is no keyword.
    """

    kind: str
    text: str
    at: int
    end: int
    is_quoted: bool = False


def tokens_of(text: str) -> Iterator[Token]:
    """The parts in their order, `end` as the last.

    Raises:
        FilterError: a quote is not closed, or a backslash is followed by nothing.
    """
    at = 0
    while at < len(text):
        char = text[at]
        if char.isspace():
            at += 1
            continue
        if char in SIGNS:
            token = Token(char, char, at, at + 1)
        elif char == QUOTE:
            token = _quoted(text, at)
        else:
            token = _word(text, at)
        yield token
        at = token.end
    yield Token("end", "", len(text), len(text))


def _quoted(text: str, start: int) -> Token:
    found: list[str] = []
    at = start + 1
    while at < len(text) and text[at] != QUOTE:
        char, at = _char(text, at)
        found.append(char)
    if at == len(text):
        fail(f"this quote is not closed; write {QUOTE} behind the value", start)
    return Token("word", "".join(found), start, at + 1, is_quoted=True)


def _word(text: str, start: int) -> Token:
    found: list[str] = []
    at = start
    is_escaped = False
    while at < len(text) and not text[at].isspace() and (text[at] not in SPECIAL or text[at] == ESCAPE):
        is_escaped |= text[at] == ESCAPE
        char, at = _char(text, at)
        found.append(char)
    return Token("word", "".join(found), start, at, is_quoted=is_escaped)


def _char(text: str, at: int) -> tuple[str, int]:
    """The character at an index, which a backslash may stand before, and the index behind it."""
    if text[at] != ESCAPE:
        return text[at], at + 1
    if at + 1 == len(text):
        fail(r"a backslash needs a character behind it; write \\ for a backslash", at)
    return text[at + 1], at + 2
