"""What a row's cells say: the labelled facets, the tags, a text."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from hangtag.tags.schema import TAG_PATTERN
from hangtag.tags.tag import facet_of
from hangtag.trainer.data.columns import Columns

Labels = tuple[frozenset[str], frozenset[str]]

# Of what a cell holds a reason quotes no more: it may be a product's text, of which findings show nothing.
_QUOTED = 40


def labels_of(fields: Mapping[str, Any], columns: Columns) -> Labels:
    """The labelled facets and their tags, from a column per facet or from the two lists.

    Raises:
        ValueError, TypeError: a column is missing or holds no labels.
    """
    if not columns.labelled:
        return frozenset(), frozenset()
    return _columns(fields, columns) if columns.facet else _own(fields, columns)


def text_of(value: Any, name: str) -> str:
    """The text of a cell; empty if there is none.

    Raises:
        ValueError, TypeError: it holds something else, or half a character.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        msg = f"{name} is no text"
        raise TypeError(msg)
    try:
        value.encode()
    except UnicodeEncodeError:
        msg = f"{name} holds half a surrogate pair"
        raise ValueError(msg) from None
    return value


def _own(fields: Mapping[str, Any], columns: Columns) -> Labels:
    facets, tags = (
        frozenset(_values(fields[name], name, columns.separator)) for name in (columns.facets, columns.tags)
    )
    unfit = [facet for facet in sorted(facets) if not TAG_PATTERN.fullmatch(f"{facet}:x")]
    if unfit:
        msg = f"facet {_quoted(unfit[0])} is no name: lower-case letters, digits and _, at most 40"
        raise ValueError(msg)
    stray = [tag for tag in sorted(tags) if facet_of(tag) not in facets]
    if stray:
        known = _quoted(", ".join(sorted(facets)))
        msg = f"tag {_quoted(stray[0])} belongs to none of the labelled facets {known}"
        raise ValueError(msg)
    return facets, _checked(tags)


def _columns(fields: Mapping[str, Any], columns: Columns) -> Labels:
    facets, tags = set(), set()
    none = _values(columns.none, "none", columns.separator)
    for facet, column in columns.facet.items():
        cell = fields.get(column)
        is_empty = cell is None or (isinstance(cell, str) and not cell.strip())
        if is_empty or (isinstance(cell, float) and math.isnan(cell)):
            continue
        facets.add(facet)
        values = _values(cell, column, columns.separator)
        if values != none:
            tags |= {f"{facet}:{value}" for value in values}
    return frozenset(facets), _checked(tags)


def _checked(tags: Iterable[str]) -> frozenset[str]:
    unfit = [tag for tag in sorted(tags) if not TAG_PATTERN.fullmatch(tag)]
    if unfit:
        msg = f"tag {_quoted(unfit[0])} is not facet:value with a value of 1 to 200 characters on one line"
        raise ValueError(msg)
    return frozenset(tags)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _QUOTED else f"{text[: _QUOTED - 3]}...")


def _values(cell: Any, name: str, separator: str) -> list[str]:
    if isinstance(cell, str):
        parts = cell.split(separator) if separator else [cell]
        return [part.strip() for part in parts if part.strip()]
    if cell is None:
        return []
    if isinstance(cell, float) and cell.is_integer():
        # Tables keep a column of whole numbers with gaps as floats: 38 is meant, not 38.0.
        return [str(int(cell))]
    if isinstance(cell, bool | int | float):
        return [str(cell).lower()]
    if isinstance(cell, list) and all(isinstance(each, str) for each in cell):
        return [text_of(each, name) for each in cell]
    msg = f"{name} is no list of texts"
    raise TypeError(msg)
