"""The values in a row's cells: the labelled facets, the tags, a text."""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from hangtag.tags.schema import TAG_PATTERN
from hangtag.tags.tag import facet_of
from hangtag.trainer.data.category_path import level_of, levels_in
from hangtag.trainer.errors import TrainerError
from hangtag.trainer.recipe.columns import Columns

Labels = tuple[frozenset[str], frozenset[str]]

# A reason quotes at most this many characters of a cell: the cell may be a product's text, which findings never show.
_QUOTED = 40
# Beyond it not every integer is a float.
_MAX_EXACT = 2**53


class RowError(TrainerError):
    """A row is not a labelled product; the message says why, without file and line."""


def labels_of(fields: Mapping[str, Any], columns: Columns) -> Labels:
    """The labelled facets and their tags, read from one column per facet or path, or from the two lists.

    The columns of the two lists must be there. Tags are renamed; a facet whose tags are all removed is not labelled.

    Raises:
        RowError: a cell holds something other than labels.
    """
    if not columns.labelled:
        return frozenset(), frozenset()
    read = _from_columns if columns.has_label_columns else _from_lists
    facets, tags = read(fields, columns)
    return _renamed(facets, tags, columns.renames) if columns.renames else (facets, tags)


def text_of(value: Any, name: str) -> str:
    """The text of a cell; empty if there is none.

    Raises:
        RowError: the cell does not hold text, or its text holds a lone surrogate.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if not isinstance(value, str):
        msg = f"{name} is not a text"
        raise RowError(msg)
    try:
        value.encode()
    except UnicodeEncodeError:
        msg = f"{name} holds half a surrogate pair"
        raise RowError(msg) from None
    return value


def id_of(value: Any, name: str) -> str:
    """The product id in a cell. A number is read as its integer: pandas makes floats of ids in a column with gaps.

    Raises:
        RowError: there is none, or the number may not be the id that was meant.
    """
    if isinstance(value, float | Decimal) and not math.isnan(value):
        number = int(value) if math.isfinite(value) else None
        if number is None or number != value or abs(number) > _MAX_EXACT:
            msg = f"{name} is a number with a fraction or too large to be exact: store ids as texts"
            raise RowError(msg)
        value = number
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not text_of(value, name):
        msg = f"{name} is empty"
        raise RowError(msg)
    return str(value)


def _from_lists(fields: Mapping[str, Any], columns: Columns) -> Labels:
    facets, tags = (
        frozenset(_values(fields[name], name, columns.separator)) for name in (columns.facets, columns.tags)
    )
    invalid = [facet for facet in sorted(facets) if not TAG_PATTERN.fullmatch(f"{facet}:x")]
    if invalid:
        msg = f"facet {_quoted(invalid[0])} is not a valid name: lower-case letters, digits and _, at most 40"
        raise RowError(msg)
    stray = [tag for tag in sorted(tags) if facet_of(tag) not in facets]
    if stray:
        known = _quoted(", ".join(sorted(facets)))
        msg = f"tag {_quoted(stray[0])} belongs to none of the labelled facets {known}"
        raise RowError(msg)
    return facets, _checked(tags)


def _from_columns(fields: Mapping[str, Any], columns: Columns) -> Labels:
    facets, tags = set(), set()
    for facet, column in columns.facet.items():
        cell = fields.get(column)
        if _is_unknown(cell):
            continue
        facets.add(facet)
        separator = columns.separator_of(facet)
        values = _values(cell, column, separator)
        if values != _values(columns.none, "none", separator):
            tags |= {f"{facet}:{value}" for value in values}
    for facet, column in columns.path.items():
        cell = fields.get(column)
        if _is_unknown(cell):
            continue
        if columns.none and cell == columns.none:
            facets.add(level_of(facet, 1))
            continue
        # A path that ends early says nothing about deeper levels.
        for number, value in enumerate(levels_in(cell, columns.separator_of(facet)), 1):
            facets.add(level_of(facet, number))
            tags.add(f"{level_of(facet, number)}:{value}")
    return frozenset(facets), _checked(tags)


def _is_unknown(cell: Any) -> bool:
    is_blank = cell is None or (isinstance(cell, str) and not cell.strip())
    return is_blank or (isinstance(cell, float) and math.isnan(cell))


def _renamed(facets: frozenset[str], tags: frozenset[str], renames: Mapping[str, str]) -> Labels:
    after = frozenset(name for tag in tags if (name := renames.get(tag, tag)))
    lost = {facet_of(tag) for tag in tags} - {facet_of(tag) for tag in after}
    return facets - lost, after


def _checked(tags: Iterable[str]) -> frozenset[str]:
    invalid = [tag for tag in sorted(tags) if not TAG_PATTERN.fullmatch(tag)]
    if invalid:
        msg = f"tag {_quoted(invalid[0])} is not facet:value with a value of 1 to 200 characters on one line"
        raise RowError(msg)
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
        # A table stores a column of integers with gaps as floats: 38 is meant, not 38.0.
        return [str(int(cell))]
    if isinstance(cell, bool | int | float):
        return [str(cell).lower()]
    if isinstance(cell, list) and all(isinstance(each, str) for each in cell):
        return [text_of(each, name) for each in cell]
    msg = f"{name} is not a list of texts"
    if isinstance(cell, dict) or (isinstance(cell, list) and any(isinstance(each, dict) for each in cell)):
        msg = f"{name} holds objects, not texts: write what is to be the label into a field of its own"
    raise RowError(msg)
