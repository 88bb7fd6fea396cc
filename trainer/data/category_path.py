"""Category paths: the levels of a category in one cell, such as `Clothing > Women > Shoes`."""

import html
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

# Deeper levels are hardly ever shared by products: shops append names of collections or of the product itself.
MAX_LEVELS = 6
_QUOTES = "\"'`\u201c\u201d\u2018\u2019"
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_PYTHON_LIST = re.compile(rf"\[\s*(?:{_QUOTED.pattern})(?:\s*,\s*(?:{_QUOTED.pattern}))*\s*,?\s*\]")
_BRACKETS = {"[": "]", "(": ")", "{": "}"}


def level_of(facet: str, number: int) -> str:
    """The facet of a path's level, counted from 1 at the top: `class_1`."""
    return f"{facet}_{number}"


def level_above(facet: str) -> str:
    """The facet of the level above: `class_1` for `class_2`; empty for the top level and for names without level."""
    name, found, number = facet.rpartition("_")
    if not found or not number.isdecimal() or not 1 < int(number) <= MAX_LEVELS:
        return ""
    return level_of(name, int(number) - 1)


def levels_in(cell: Any, separator: str) -> list[str]:
    """The levels in a cell, from the top, at most `MAX_LEVELS`; the separator may be repeated (`>>`).

    The cell may be in brackets or quotes, or be a list, in JSON's or Python's notation. A list without separators holds
    levels; of several paths, one that leads to another is left out, and the levels that the rest has in common are
    returned. Levels below a blank one are left out.
    """
    parts = [part for part in _parts(cell) if part.strip()]
    separator = separator.strip()
    between = re.compile(f"(?:{re.escape(separator)})+")
    if len(parts) > 1 and not any(separator in part for part in parts):
        paths = [parts]
    else:
        paths = [between.split(part) for part in parts]
    cleaned = [_clean(path) for path in paths]
    longest = [path for path in cleaned if not any(len(other) > len(path) == _shared(path, other) for other in cleaned)]
    return longest[0][: min(_shared(longest[0], other) for other in longest)] if longest else []


def _shared(path: Sequence[str], other: Sequence[str]) -> int:
    """The number of levels that two paths have in common, from the top."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(path, other, strict=False)))


def _parts(cell: Any) -> list[str]:
    if isinstance(cell, list):
        return [html.unescape(str(each)) for each in cell]
    is_whole = isinstance(cell, float) and cell.is_integer()  # a column of integers with gaps
    text = html.unescape(str(int(cell) if is_whole else cell)).strip()
    if text.startswith("["):
        with suppress(ValueError, RecursionError):
            found = json.loads(text)
            if isinstance(found, list) and all(isinstance(each, str) for each in found):
                return found
        if _PYTHON_LIST.fullmatch(text):
            return [one or other for one, other in _QUOTED.findall(text)]
    if text and _BRACKETS.get(text[0]) == text[-1]:
        text = text[1:-1]
    return [_unquoted(text)]


def _unquoted(text: str) -> str:
    """The text without the quotes around it; an apostrophe at one end belongs to it (`Boys'`)."""
    text = text.strip()
    is_quoted = len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES
    return text[1:-1].strip() if is_quoted else text


def _clean(levels: Sequence[str]) -> list[str]:
    names = [" ".join(_unquoted(each).split()) for each in levels]
    while names and not names[0]:
        names.pop(0)
    end = names.index("") if "" in names else len(names)
    return names[: min(end, MAX_LEVELS)]
