"""Text cleaning, shared by training and serving so that a model gets texts like those it was trained on."""

import html
import re
import unicodedata

from hangtag.text.limits import MAX_DESCRIPTION_CHARS

# Removing markup takes linear time: no pattern below can backtrack across a `<`.
_HIDDEN_OPENING = re.compile(r"<(script|style)\b[^<>]*>", re.IGNORECASE)
_HIDDEN_CLOSING = {name: re.compile(rf"</{name}(\s*>)?", re.IGNORECASE) for name in ("script", "style")}
_COMMENT = re.compile(r"<!--[^<]*?-->")
_TAG = re.compile(r"</?[a-zA-Z!?][^<>]*>")
_SPACE = re.compile(r"\s+")
# Python refuses to parse a number of that many digits, and no character has one.
_OVERLONG_REFERENCE = re.compile(r"&#[0-9]{1000,};?")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")

# Categories without visible text: control, format (zero-width joiners, bidi marks), surrogate, private use, unassigned.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# The raw text is truncated first, to this many times the limit, so that a megabyte of markup costs no more.
_RAW_CHARS_PER_CLEAN_CHAR = 4


def clean_text(text: str, max_chars: int = MAX_DESCRIPTION_CHARS) -> str:
    """Return `text` as one line of visible characters, at most `max_chars` long.

    HTML tags are removed, entities (also doubly escaped ones) resolved, Unicode is normalised to NFKC, control,
    zero-width and unassigned characters are removed, and runs of white space become one space. The result is empty if
    nothing visible remains. Cleaning a text again changes nothing, except where it spells out markup (`&lt;b&gt;`
    cleaned twice loses its tag).
    """
    raw = text[: max_chars * _RAW_CHARS_PER_CLEAN_CHAR]
    if "&" in raw and _ENTITY.search(raw):
        raw = _unescaped(_unescaped(raw))
    if "<" in raw:
        raw = _without_hidden_elements(raw)
        raw = _COMMENT.sub(" ", raw)
        raw = _TAG.sub(" ", raw)
    if not raw.isascii():
        raw = unicodedata.normalize("NFKC", raw)
    if not raw.isprintable():
        raw = "".join(_visible(char) for char in raw)
    return _SPACE.sub(" ", raw).strip()[:max_chars].rstrip()


def _unescaped(text: str) -> str:
    return html.unescape(_OVERLONG_REFERENCE.sub("\N{REPLACEMENT CHARACTER}", text))


def _without_hidden_elements(text: str) -> str:
    """Remove closed script and style elements. Each closing tag is searched for only once, however many are open."""
    pieces, at = [], 0
    closings: dict[str, re.Match[str] | None] = {}
    for opening in _HIDDEN_OPENING.finditer(text):
        name, begins = opening[1].lower(), opening.end()
        if opening.start() < at:
            continue
        if name not in closings or ((known := closings[name]) is not None and known.start() < begins):
            closings[name] = _HIDDEN_CLOSING[name].search(text, begins)
        closing = closings[name]
        if closing is not None and closing[1]:
            pieces += [text[at : opening.start()], " "]
            at = closing.end()
    return "".join([*pieces, text[at:]])


def _visible(char: str) -> str:
    if char.isspace():
        return " "
    return "" if unicodedata.category(char) in _INVISIBLE_CATEGORIES else char
