"""What the cells of a column look like: category paths, lists of values, or single values."""

from collections import Counter
from collections.abc import Mapping

from hangtag.trainer.data.category_path import levels_in

_PATH_SEPARATORS = (">", "\u00bb", "\u2192", "::", "\\", "/", "|")
# They also stand between values, in names and in numbers.
_WEAK = frozenset("/|")
_LIST_SEPARATORS = ("|", ";", ",", "/")
_LONGEST_PATH = 200
# The share of a column's cells that have its shape: some shops have products at the top level.
_MOST = 0.5


def path_separator(counts: Mapping[str, int]) -> str:
    """The separator if most cells are category paths; empty if they are not. `counts` has the cells and their numbers.

    In a path most top levels have several different paths below them or several products.
    """
    cells = {cell: count for cell, count in counts.items() if cell.strip() and len(cell) <= _LONGEST_PATH}
    listed = list_separator(cells)
    for separator in _PATH_SEPARATORS:
        if separator in _WEAK and separator == listed:
            continue
        found = {cell: levels_in(cell, separator) for cell in cells if separator in cell}
        paths = {cell: levels for cell, levels in found.items() if len(levels) > 1 and all(map(_has_letters, levels))}
        held = sum(cells[cell] for cell in paths)
        tops = Counter[str]()
        for cell, levels in paths.items():
            tops[levels[0]] += cells[cell]
        repeated = sum(count for count in tops.values() if count > 1)
        if held and held >= _MOST * sum(cells.values()) and repeated >= _MOST * held:
            return separator
    return ""


def _has_letters(text: str) -> bool:
    return any(map(str.isalpha, text))


def list_separator(counts: Mapping[str, int]) -> str:
    """The separator if some cells list several values that other cells hold too; empty if there are none."""
    for separator in _LIST_SEPARATORS:
        lists = {cell: [part.strip() for part in cell.split(separator)] for cell in counts if separator in cell}
        cells_with = Counter(part for cell in counts for part in {each.strip() for each in cell.split(separator)})
        parts = [part for each in lists.values() for part in each if part]
        if parts and sum(cells_with[part] > 1 for part in parts) > _MOST * len(parts):
            return separator
    return ""
