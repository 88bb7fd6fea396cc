"""Labelled products and how they are read from files, for training, `hangtag evaluate` and `hangtag data`."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from hangtag.tags.tag import facet_of
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.row import BadRow, LabelledFileError, MissingColumnsError, Row
from hangtag.trainer.data.row_labels import RowError, id_of, labels_of, text_of
from hangtag.trainer.data.rows import RowsOf
from hangtag.trainer.files.disk_list import DiskList
from hangtag.trainer.recipe.columns import Columns

__all__ = [
    "LabelledFileError",
    "LabelledProduct",
    "LabelledRow",
    "MissingColumnsError",
    "Reading",
    "check_files",
    "labelled_row",
    "read_labelled",
    "read_rows",
    "refuse",
    "warn",
    "with_tags",
]

OWN_COLUMNS = Columns()
# The field with the facets that a person has confirmed; `hangtag data correct` writes it.
CONFIRMED = "confirmed"
# Bad rows that a message names.
_MOST_BAD = 100
_MOST_DISTINCT = 10_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LabelledProduct:
    """A product and its labels.

    `facets` are the labelled facets. A labelled facet without a tag means "none of its tags fits"; the tags of any
    other facet are unknown. `shop` is the shop that it comes from, empty if the file does not say. `confirmed` are
    facets whose labels a person has looked at.
    """

    product_id: str
    title: str
    description: str
    merchant_category: str
    facets: frozenset[str]
    tags: frozenset[str]
    shop: str = ""
    confirmed: frozenset[str] = frozenset()

    @property
    def text(self) -> ProductText:
        """The text that the encoder gets."""
        return ProductText.of(self.title, self.description, self.merchant_category)

    def tags_of(self, facet: str) -> frozenset[str]:
        """The product's tags in one facet."""
        return frozenset(tag for tag in self.tags if facet_of(tag) == facet)


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """A product, its place in a file, and the row's other fields (a shop's name, a language)."""

    file: Path
    line: int
    product: LabelledProduct
    others: Mapping[str, Any]

    @property
    def place(self) -> dict[str, Any]:
        """The row's place, as JSON: file, line and product id."""
        return {"file": str(self.file), "line": self.line, "product_id": self.product.product_id}


@dataclass(frozen=True, slots=True)
class FileCounts:
    """How a file was read: its encoding (empty if it has none), and how many good, bad and empty rows it has.

    `recognised` says as which shop system's export it was read, and with which columns; empty if as none.
    """

    file: Path
    encoding: str
    is_detected: bool
    good: int
    bad: int
    empty: int
    recognised: str = ""

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures should know: empty rows, and an encoding other than UTF-8."""
        kind = "rows without a product of their own (variants, images)" if self.recognised else "empty rows"
        notes = [f"{self.file}: {self.empty:,} {kind} were skipped"] if self.empty else []
        if self.recognised:
            notes.append(f"{self.file} was read as {self.recognised}; --column changes that")
        if self.encoding not in {"", "utf-8", "utf-8-sig"}:
            guess = " (detected; if letters are wrong, give --column encoding=NAME)" if self.is_detected else ""
            notes.append(f"{self.file} was read as {self.encoding}{guess}")
        return notes

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return {**asdict(self), "file": str(self.file)}


@dataclass(frozen=True, slots=True)
class Reading:
    """What files hold. Every row is good, bad or empty; `files` counts them.

    The rows are in memory, or on disk (`reading_on_disk`).
    """

    good: list[LabelledRow] | DiskList[LabelledRow] = field(default_factory=list)
    bad: list[BadRow] | DiskList[BadRow] = field(default_factory=list)
    files: list[FileCounts] = field(default_factory=list)

    @property
    def empty(self) -> int:
        """The number of empty rows in all files."""
        return sum(each.empty for each in self.files)


def read_labelled(
    paths: Iterable[Path], columns: Columns = OWN_COLUMNS, bad: list[BadRow] | None = None
) -> list[LabelledProduct]:
    """Read labelled files (see `RowsOf`), in the order given.

    Empty rows, recognised exports, and encodings other than UTF-8 are logged as warnings. Bad rows are added to `bad`,
    if that is given.

    Raises:
        LabelledFileError: a file is missing; or rows are not labelled products, and `bad` is not given.
    """
    reading = read_rows(paths, columns)
    if bad is None:
        refuse(reading.bad)
    else:
        bad += list(reading.bad)
    warn(note for each in reading.files for note in each.notes)
    return [row.product for row in reading.good]


def warn(notes: Iterable[str]) -> None:
    """Log notes on how files were read."""
    for note in notes:
        _log.warning(note)


def check_files(paths: Iterable[Path], columns: Columns) -> None:
    """Check that the files are there and have the columns, without reading them to the end.

    Raises:
        LabelledFileError: a file is missing or is not of its kind, or a table lacks a column.
    """
    for path in paths:
        next(iter(RowsOf(path, columns)), None)


def refuse(bad: Iterable[BadRow]) -> None:
    """Refuse files with bad rows.

    Raises:
        LabelledFileError: there are some; the message names every one, up to a limit.
    """
    # A file may be named twice; beyond a number of bad rows, that makes no difference.
    lines: dict[str, None] = {}
    uncounted = 0
    for each in bad:
        if len(lines) < _MOST_DISTINCT:
            lines[str(each)] = None
        else:
            uncounted += 1
    count, shown = len(lines) + uncounted, list(islice(lines, _MOST_BAD))
    if count == 1:
        raise LabelledFileError(shown[0])
    if count:
        rest = [f"and {count - len(shown):,} more"] if count > len(shown) else []
        advice = "fix or remove them, or leave them out with `hangtag data split --skip-bad`"
        raise LabelledFileError("\n  ".join([f"{count:,} bad rows: {advice}", *shown, *rest]))


def read_rows(
    paths: Iterable[Path],
    columns: Columns = OWN_COLUMNS,
    reading: Reading | None = None,
    on_row: Callable[[int], None] = lambda _: None,
) -> Reading:
    """Read such files and collect bad rows instead of failing. The rows are added to `reading`, if it is given.

    `on_row` is called with the number of rows so far, those that are not empty.

    Raises:
        LabelledFileError: a file is missing or is not of its kind, or a table lacks a column.
    """
    reading = reading or Reading()
    for path in paths:
        rows = RowsOf(path, columns)
        good, bad, empty = len(reading.good), len(reading.bad), 0
        for row in rows:
            result = labelled_row(row, rows.mapping.columns) if isinstance(row, Row) else row
            if isinstance(result, LabelledRow):
                reading.good.append(result)
            elif isinstance(result, BadRow):
                reading.bad.append(result)
            else:
                empty += 1
            on_row(len(reading.good) + len(reading.bad))
        counts = (len(reading.good) - good, len(reading.bad) - bad, empty)
        reading.files.append(FileCounts(path, rows.encoding, rows.is_detected, *counts, str(rows.mapping)))
    return reading


def with_tags(product: LabelledProduct, tags: Iterable[str]) -> LabelledProduct:
    """Add tags, whose facets then count as labelled; tags of a facet that is already labelled are ignored."""
    new = frozenset(tag for tag in tags if facet_of(tag) not in product.facets)
    return replace(product, facets=product.facets | {facet_of(tag) for tag in new}, tags=product.tags | new)


def labelled_row(row: Row, columns: Columns) -> LabelledRow | BadRow:
    """The product in a row; a bad row if it is not one."""
    try:
        product = _product(row, columns)
    except RowError as error:
        return BadRow(row.file, row.line, str(error), json.dumps(row.fields, ensure_ascii=False, default=str))
    used = columns.used
    others = {name: value for name, value in row.fields.items() if name not in used}
    return LabelledRow(row.file, row.line, product, others)


def _product(row: Row, columns: Columns) -> LabelledProduct:
    labels = (columns.facets, columns.tags) if columns.labelled and not columns.has_label_columns else ()
    missing = [name for name in (columns.product_id, *labels) if name not in row.fields]
    if missing:
        msg = f"{', '.join(missing)} is missing"
        raise RowError(msg)
    product_id = id_of(row.fields[columns.product_id], columns.product_id)
    title, description, category = (
        text_of(row.fields.get(name), name) for name in (columns.title, columns.description, columns.merchant_category)
    )
    facets, tags = labels_of(row.fields, columns)
    shop = _shop_of(row.fields.get(columns.shop))
    confirmed = _confirmed(row.fields.get(CONFIRMED)) & facets
    return LabelledProduct(product_id, title, description, category, facets, tags, shop, confirmed)


def _confirmed(cell: Any) -> frozenset[str]:
    """The facets in the cell; a cell that `hangtag data correct` did not write has none."""
    return frozenset(each for each in cell if isinstance(each, str)) if isinstance(cell, list) else frozenset()


def _shop_of(cell: Any) -> str:
    """The shop's name or number; empty if the cell holds neither."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    return cell if isinstance(cell, str) else ""
