"""Text cleaning: the one function that training and serving share, so that a model sees what it was trained on."""

import html
import re
import unicodedata

from hangtag.text.limits import MAX_DESCRIPTION_CHARS

# Markup is stripped with bounded work: no pattern below can backtrack across a `<`.
_UNSEEN_OPENING = re.compile(r"<(script|style)\b[^<>]*>", re.IGNORECASE)
_UNSEEN_CLOSING = {name: re.compile(rf"</{name}(\s*>)?", re.IGNORECASE) for name in ("script", "style")}
_COMMENT = re.compile(r"<!--[^<]*?-->")
_TAG = re.compile(r"</?[a-zA-Z!?][^<>]*>")
_SPACE = re.compile(r"\s+")
# Python reads no number of so many digits, and no character has one.
_ENDLESS_REFERENCE = re.compile(r"&#[0-9]{1000,};?")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")

# Categories that carry no text: control, format (zero-width joiners, bidi marks), surrogate, private use, unassigned.
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# The cap is applied to the raw text first, so that a megabyte of markup costs no more than this many times the cap.
_RAW_CHARS_PER_CLEAN_CHAR = 4


def clean_text(text: str, max_chars: int = MAX_DESCRIPTION_CHARS) -> str:
    """Return `text` as one line of visible characters, at most `max_chars` long.

    HTML elements and entities (also doubly escaped ones) are resolved, Unicode is brought to NFKC, control, zero-width
    and unassigned characters go, runs of white space become one space. The result is empty if nothing visible is left.
    Cleaning a cleaned text changes nothing unless it spells out markup (`&lt;b&gt;` cleaned twice loses its tag).
    """
    raw = text[: max_chars * _RAW_CHARS_PER_CLEAN_CHAR]
    if "&" in raw and _ENTITY.search(raw):
        raw = _unescaped(_unescaped(raw))
    if "<" in raw:
        raw = _without_unseen_elements(raw)
        raw = _COMMENT.sub(" ", raw)
        raw = _TAG.sub(" ", raw)
    if not raw.isascii():
        raw = unicodedata.normalize("NFKC", raw)
    if not raw.isprintable():
        raw = "".join(_visible(char) for char in raw)
    return _SPACE.sub(" ", raw).strip()[:max_chars].rstrip()


def _unescaped(text: str) -> str:
    return html.unescape(_ENDLESS_REFERENCE.sub("\N{REPLACEMENT CHARACTER}", text))


def _without_unseen_elements(text: str) -> str:
    """Without script and style elements that are closed. Each closing tag is looked for once: many may be open."""
    pieces, at = [], 0
    closings: dict[str, re.Match[str] | None] = {}
    for opening in _UNSEEN_OPENING.finditer(text):
        name, begins = opening[1].lower(), opening.end()
        if opening.start() < at:
            continue
        if name not in closings or ((known := closings[name]) is not None and known.start() < begins):
            closings[name] = _UNSEEN_CLOSING[name].search(text, begins)
        closing = closings[name]
        if closing is not None and closing[1]:
            pieces += [text[at : opening.start()], " "]
            at = closing.end()
    return "".join([*pieces, text[at:]])


def _visible(char: str) -> str:
    if char.isspace():
        return " "
    return "" if unicodedata.category(char) in _UNSEEN_CATEGORIES else char
