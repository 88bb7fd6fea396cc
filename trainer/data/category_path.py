"""Category paths: the levels of a category in one cell, such as `Clothing > Women > Shoes`."""

import ast
import html
import json
import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

# Deeper levels are hardly ever shared by products: shops append names of collections or of the product itself.
MAX_LEVELS = 6
_QUOTES = "\"'`\u201c\u201d\u2018\u2019"
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
    levels; of several paths, the levels that they have in common are returned. Levels below a blank one are left out.
    """
    parts = [part for part in _parts(cell) if part.strip()]
    between = re.compile(rf"\s*(?:{re.escape(separator.strip())})+\s*")
    if len(parts) > 1 and not any(between.search(part) for part in parts):
        paths = [parts]
    else:
        paths = [between.split(part) for part in parts]
    same = takewhile(lambda names: len(set(names)) == 1, zip(*map(_clean, paths), strict=False))
    return [names[0] for names in same]


def _parts(cell: Any) -> list[str]:
    if isinstance(cell, list):
        return [html.unescape(str(each)) for each in cell]
    is_whole = isinstance(cell, float) and cell.is_integer()  # a column of integers with gaps
    text = html.unescape(str(int(cell) if is_whole else cell)).strip()
    if text.startswith("["):
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            if isinstance(found, list) and all(isinstance(each, str) for each in found):
                return found
    if text and _BRACKETS.get(text[0]) == text[-1]:
        text = text[1:-1]
    return [text]


def _clean(levels: Sequence[str]) -> list[str]:
    names = [" ".join(each.strip().strip(_QUOTES).split()) for each in levels]
    while names and not names[0]:
        names.pop(0)
    end = names.index("") if "" in names else len(names)
    return names[: min(end, MAX_LEVELS)]
