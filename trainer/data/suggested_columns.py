"""A first mapping for a foreign file: which of its columns probably hold what, by their names and cells."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from hangtag.trainer.data.cell_shapes import list_separator, path_separator
from hangtag.trainer.data.row import Row
from hangtag.trainer.data.rows import RowsOf
from hangtag.trainer.recipe.columns import Columns

_ROWS = 2_000
# The facet of the first category path.
_PATH = "class"
_MOST_VALUES = 200
_LONGEST_VALUE = 60
# A column of labels repeats its values: at least this number of rows for each, on average.
_ROWS_PER_VALUE = 3
_FEWEST_ROWS = 5
# Names of columns in small letters without anything but letters and digits, the best first.
_NAMES = {
    "product_id": (
        *("productid", "id", "gid", "uniqid", "sku", "itemid", "articleid", "articleno", "articlenumber", "nr"),
        *("artikelnr", "artikelnummer", "handle", "asin", "pid", "code"),
    ),
    "title": ("title", "name", "productname", "producttitle", "productdisplayname", "itemname", "bezeichnung", "titel"),
    "description": ("description", "productdescription", "text", "beschreibung", "bodyhtml", "details"),
}
_NO_LABEL = re.compile(
    r"price|cost|currency|lang|avail|stock|quantity|url|link|image|date|time|status|published|active|barcode|gtin|ean"
)


def suggested_columns(path: Path, columns: Columns) -> list[str]:
    """The arguments of `--column` for a file, in addition to those that `columns` holds; empty if nothing is found.

    Only the first rows are read.

    Raises:
        LabelledFileError: the file is missing or is not of its kind.
    """
    rows = islice(RowsOf(path, columns, any_columns=True), _ROWS)
    return _suggested([row.fields for row in rows if isinstance(row, Row)], columns)


def _suggested(rows: Sequence[Mapping[str, Any]], columns: Columns) -> list[str]:
    names = list(dict.fromkeys(name for fields in rows for name in fields))
    taken = {*columns.facet.values(), *columns.path.values(), columns.shop}
    found: list[str] = []
    for field, usual in _NAMES.items():
        column = getattr(columns, field)
        if column not in names:
            column = next((name for each in usual for name in names if _plain(name) == each and name not in taken), "")
            found += [f"{field}={column}"] if column else []
        taken.add(column)
    if columns.has_label_columns or not columns.labelled or {columns.facets, columns.tags} <= set(names):
        return found
    for name in names:
        if name not in taken and not _NO_LABEL.search(_plain(name)):
            has_path = any(each.startswith(f"{_PATH}=") for each in found)
            found += _label(name, Counter(map(_text, (fields.get(name) for fields in rows))), has_path=has_path)
    return found


def _label(name: str, counts: Counter[str], *, has_path: bool) -> list[str]:
    """The column's argument, if it holds labels."""
    del counts[""]
    facet = re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")[:38]
    if not facet or not facet[0].isalpha() or not counts:
        return []
    if separator := path_separator(counts):
        return [f"{facet if has_path else _PATH}={name}:{separator}"]
    separator = list_separator(counts)
    values = {part.strip() for cell in counts for part in (cell.split(separator) if separator else [cell])}
    repeated = max(_FEWEST_ROWS, _ROWS_PER_VALUE * len(values)) <= counts.total()
    is_short = max(map(len, values)) <= _LONGEST_VALUE
    is_number = all(value.replace(".", "").replace(",", "").lstrip("-").isdecimal() for value in values)
    if not repeated or not is_short or is_number or not 1 < len(values) <= _MOST_VALUES:
        return []
    return [f"facet.{facet}={name}" + (f":{separator}" if separator not in {"", "|"} else "")]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _text(cell: Any) -> str:
    parts: Sequence[Any] = cell if isinstance(cell, list) else [cell]
    if any(isinstance(part, Mapping | list) for part in parts):
        return ""  # no labels can be read from it
    return "|".join("" if part is None else str(part).strip() for part in parts)
