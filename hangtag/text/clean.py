"""Text cleaning, shared by training and serving so that a model gets texts like those it was trained on."""

import html
import re

from hangtag.text.limits import MAX_DESCRIPTION_CHARS, MAX_RAW_CHARS
from hangtag.text.markup import without_markup
from hangtag.text.visible import Truncated, visible_text

# Python refuses to parse a number of that many digits, and no character has one.
_OVERLONG_REFERENCE = re.compile(r"&#[0-9]{1000,};?")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")


def clean_text(text: str, max_chars: int = MAX_DESCRIPTION_CHARS) -> str:
    """Return `text` as one line of visible characters, at most `max_chars` long.

    HTML tags, comments, scripts and styles are removed, entities (also doubly escaped ones) resolved, Unicode is
    normalised to NFKC, control, zero-width and unassigned characters are removed, and runs of white space and of blank
    characters become one space. Only then is the text truncated, so markup in front of the words hides none of them;
    of the text as sent, the first `MAX_RAW_CHARS` characters are read. The result is empty if nothing visible remains.
    Cleaning a text again changes nothing, except where it spells out markup (`&lt;b&gt;` cleaned twice loses its tag).
    """
    return clean_and_truncate(text, max_chars).text


def clean_and_truncate(text: str, max_chars: int) -> Truncated:
    """As `clean_text`, with whether something of the text was left out because it is too long."""
    raw = text[:MAX_RAW_CHARS]
    if "&" in raw and _ENTITY.search(raw):
        raw = _unescaped(_unescaped(raw))
    clean, is_cut = visible_text(without_markup(raw), max_chars)
    return Truncated(clean, is_cut or len(text) > MAX_RAW_CHARS)


def _unescaped(text: str) -> str:
    return html.unescape(_OVERLONG_REFERENCE.sub("\N{REPLACEMENT CHARACTER}", text))
